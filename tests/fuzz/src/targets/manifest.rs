//! A record's manifest: YAML of any chart.

use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::redaction;

use super::assert_is_a_line;

/// YAML, split into objects.
///
/// - Objects that are written out and split again are the same.
/// - Hiding secrets neither fails nor changes which object it is.
/// - A refusal is one short line that shows nothing of the text.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let once = redaction::text(&text);
    assert_eq!(redaction::text(&once), once);
    match Manifest::parse(&text, "ml") {
        Ok(Manifest { objects }) => {
            let mut written = String::new();
            for object in &objects {
                assert!(!object.kind.is_empty() && !object.name.is_empty());
                let shown = redaction::object(&object.json);
                assert_eq!(shown["kind"], object.json["kind"]);
                written.push_str(&format!("---\n{}\n", object.json));
            }
            let again = Manifest::parse(&written, "ml").unwrap().objects;
            assert_eq!(again, objects);
        }
        Err(why) => assert_is_a_line(&why, 120),
    }
}
