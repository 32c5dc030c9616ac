//! `vllm-rollback.yaml`.

use vllm_rollback_settings::duration;
use vllm_rollback_settings::env::is_variable_name;

use super::assert_is_a_line;
use crate::args;
use crate::config::file::File;

/// A configuration file.
///
/// - What is taken as the name of a variable or as a URL holds no secret.
/// - A deadline is longer than nothing.
/// - A refusal is one short line.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match File::parse(&text) {
        Ok(file) => {
            let variables = [
                &file.registry.postgres.dsn_env,
                &file.registry.redis.url_env,
                &file.router.key_env,
            ];
            for name in variables.into_iter().flatten() {
                assert!(is_variable_name(name), "{name}");
            }
            if let Some(url) = &file.router.url {
                assert!(args::traffic::router_url(url).is_ok(), "{url}");
                let authority = url.split("://").nth(1).unwrap_or_default();
                let authority = authority.split(['/', '?', '#', '\\']).next().unwrap_or_default();
                assert!(!authority.contains('@'), "{url}");
            }
            for deadline in [file.timeouts.drain, file.timeouts.ready].into_iter().flatten() {
                assert!(!deadline.is_zero());
            }
        }
        Err(why) => assert_is_a_line(&why, 500),
    }
    if let Err(why) = duration::parse(&text) {
        assert!(!why.is_empty());
    }
}

/// What is said of a configuration that cannot be used; nothing of one that can.
pub fn complaint(text: &str) -> Option<String> {
    File::parse(text).err()
}
