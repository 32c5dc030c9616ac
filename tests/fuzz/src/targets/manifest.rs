//! A record's manifest: YAML of any chart.

use vllm_rollback_helm::manifest::split;
use vllm_rollback_helm::redact::{redact_object, redact_text};

use super::assert_is_a_line;

/// YAML, split into objects.
///
/// - Objects that are written out and split again are the same.
/// - Hiding secrets neither fails nor changes which object it is.
/// - A refusal is one short line that shows nothing of the text.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = redact_text(&text);
    match split(&text) {
        Ok(objects) => {
            let mut written = String::new();
            for object in &objects {
                assert!(!object.identity.kind.is_empty() && !object.identity.name.is_empty());
                let mut shown = object.value.clone();
                redact_object(&mut shown);
                assert_eq!(shown["kind"], object.value["kind"]);
                written.push_str(&format!("---\n{}\n", object.value));
            }
            let again = split(&written).unwrap();
            let identities = |objects: &[vllm_rollback_helm::manifest::Object]| {
                objects.iter().map(|one| one.identity.clone()).collect::<Vec<_>>()
            };
            assert_eq!(identities(&again), identities(&objects));
        }
        Err(why) => assert_is_a_line(&why, 120),
    }
}
