//! Helm's release records: whoever may write Secrets in the namespace wrote them.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ReleaseRef, Revision};
use vllm_rollback_helm::record::{INFLATED_CAP, Origin, decode, unwrap_payload};

use vllm_rollback_objects::diff::diff;

use super::assert_is_a_line;

/// Bytes as the value of a record's key, as its JSON, and as its JSON before gzip.
///
/// - What is packed unpacks to the same bytes, and nothing inflates beyond the cap.
/// - A record is that of its object, and comparing it with itself shows no change.
/// - A refusal is one short line that names the object.
pub fn record(data: &[u8]) {
    read(data);
    let packed = STANDARD.encode(gzip(data));
    assert_eq!(unwrap_payload(packed.as_bytes()).as_deref(), Ok(data));
    read(packed.as_bytes());
    let bare = STANDARD.encode(data);
    if !data.is_empty() && !data.starts_with(&[0x1f, 0x8b, 0x08]) {
        assert_eq!(unwrap_payload(bare.as_bytes()).as_deref(), Ok(data));
    }
    read(bare.as_bytes());
}

fn read(payload: &[u8]) {
    if let Ok(text) = unwrap_payload(payload) {
        assert!(text.len() <= INFLATED_CAP);
    }
    let release = ReleaseRef {
        namespace: "ml".to_owned(),
        name: "llama".to_owned(),
    };
    let origin = Origin {
        kind: "Secret",
        object: "sh.helm.release.v1.llama.v3",
        release: &release,
        revision: Revision(3),
    };
    match decode(origin, payload) {
        Ok(record) => {
            assert_eq!((&record.release, record.revision), (&release, Revision(3)));
            assert_ne!(record.rolled_back_to, Some(Revision(0)));
            if let Ok(manifest) = record.objects() {
                let side = (&manifest, record.revision);
                let changes = diff(side, side, &[]);
                assert!(changes.iter().all(|one| one.manifest_diff.is_empty()));
            }
        }
        Err(failure) => {
            assert_eq!(failure.kind, FailureKind::Invalid);
            assert!(failure.what.contains("Secret/sh.helm.release.v1.llama.v3"));
            assert_is_a_line(&failure.to_string(), 500);
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
