//! How the child reaches the same cluster as we do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;

/// The connection, resolved from flags, `HELM_*` and kubeconfig by the caller. It is all the child gets: a `HELM_KUBE…`
/// left over in the user's environment must not send helm to another cluster than the one that we look at.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// `--kubeconfig`; none leaves `KUBECONFIG` and the default file to the child.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--as`.
    pub as_user: Option<String>,
    /// `--as-group`, each.
    pub as_groups: Vec<String>,
    /// Bearer token; given to the child by environment, never as an argument.
    pub token: Option<SecretString>,
    /// `--server`.
    pub api_server: Option<String>,
    /// `--certificate-authority`.
    pub ca_file: Option<PathBuf>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: Option<bool>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
}

impl Connection {
    /// Variables to set, and those to remove (no value), for a child that works in `namespace`.
    ///
    /// Names as in helm v4.3 `pkg/cli/environment.go`, the same in v3.
    pub fn child_environment(&self, namespace: &str) -> Vec<(&'static str, Option<OsString>)> {
        let text = |value: &Option<String>| value.as_ref().map(OsString::from);
        let path = |value: &Option<PathBuf>| value.as_ref().map(|p| p.clone().into_os_string());
        let groups = (!self.as_groups.is_empty()).then(|| OsString::from(self.as_groups.join(",")));
        let mut variables = vec![
            // Plugins cost start-up time, and a broken one stops Helm 3 altogether.
            ("HELM_NO_PLUGINS", Some(OsString::from("1"))),
            ("HELM_NAMESPACE", Some(OsString::from(namespace))),
            ("HELM_KUBECONTEXT", text(&self.context)),
            ("HELM_KUBEASUSER", text(&self.as_user)),
            ("HELM_KUBEASGROUPS", groups),
            ("HELM_KUBETOKEN", self.token().map(OsString::from)),
            ("HELM_KUBEAPISERVER", text(&self.api_server)),
            ("HELM_KUBECAFILE", path(&self.ca_file)),
            (
                "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
                self.insecure_skip_tls_verify.map(|on| OsString::from(on.to_string())),
            ),
            ("HELM_KUBETLS_SERVER_NAME", text(&self.tls_server_name)),
            // Inherited from Helm as our parent; it would flood stderr.
            ("HELM_DEBUG", None),
            ("HELM_BIN", None),
            ("HELM_PLUGIN_NAME", None),
            ("HELM_PLUGIN_DIR", None),
        ];
        if let Some(kubeconfig) = path(&self.kubeconfig) {
            variables.push(("KUBECONFIG", Some(kubeconfig)));
        }
        variables
    }

    /// A command of the binary at `path` that works in `namespace`: without stdin, in a process group of its own.
    pub(super) fn command<A: AsRef<OsStr>>(&self, path: &Path, namespace: &str, arguments: &[A]) -> Command {
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null()).process_group(0);
        for (name, value) in self.child_environment(namespace) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// The token, which must not appear in any text.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(connection: &Connection, name: &str) -> Option<Option<OsString>> {
        connection
            .child_environment("ml")
            .into_iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    #[test]
    fn what_is_given_is_set_and_what_is_not_given_is_removed() {
        let connection = Connection {
            kubeconfig: Some("/k".into()),
            context: Some("prod".into()),
            as_groups: vec!["a".into(), "b".into()],
            token: Some("t0ken".into()),
            ..Connection::default()
        };
        for (name, value) in [
            ("HELM_NO_PLUGINS", "1"),
            ("HELM_NAMESPACE", "ml"),
            ("HELM_KUBECONTEXT", "prod"),
            ("HELM_KUBEASGROUPS", "a,b"),
            ("HELM_KUBETOKEN", "t0ken"),
            ("KUBECONFIG", "/k"),
        ] {
            assert_eq!(get(&connection, name), Some(Some(value.into())), "{name}");
        }
        for name in ["HELM_KUBEASUSER", "HELM_KUBEAPISERVER", "HELM_DEBUG", "HELM_BIN"] {
            assert_eq!(get(&connection, name), Some(None), "{name}");
        }
        assert_eq!(get(&Connection::default(), "KUBECONFIG"), None);
    }

    #[test]
    fn a_token_is_not_in_the_debug_text() {
        let connection = Connection {
            token: Some("t0ken".into()),
            ..Connection::default()
        };
        assert!(!format!("{connection:?}").contains("t0ken"));
    }
}
