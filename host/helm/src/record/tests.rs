use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ApplyMethod, Hook, ReleaseStatus};

use super::*;

fn release() -> ReleaseRef {
    ReleaseRef {
        namespace: "ml".into(),
        name: "llama".into(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pack(record: &Value) -> Vec<u8> {
    STANDARD.encode(gzip(record.to_string().as_bytes())).into_bytes()
}

fn decode_as(revision: u32, payload: &[u8]) -> Result<ReleaseRecord, Failure> {
    let release = release();
    let origin = Origin {
        kind: "Secret",
        object: "rec.v3",
        release: &release,
        revision: Revision(revision),
    };
    decode(origin, payload)
}

fn v3() -> Value {
    json!({"name": "llama", "version": 3, "namespace": "ml", "manifest": "kind: Service\n", "config": {"a": 1},
        "info": {"first_deployed": "2026-01-01T00:00:00.1+01:00", "last_deployed": "2026-01-02T00:00:00Z",
            "deleted": "", "description": "Rollback to 1", "status": "deployed", "notes": "hi"},
        "chart": {"metadata": {"name": "vllm", "version": "1.2.0", "appVersion": "0.33"}, "lock": null,
            "templates": [{"name": "a", "data": "YQ=="}], "values": {}, "schema": null, "files": null},
        "hooks": [{"name": "h", "kind": "Job", "path": "p", "manifest": "m", "events": ["pre-rollback"],
            "last_run": {"started_at": "", "completed_at": "", "phase": ""}}]})
}

#[test]
fn a_record_of_helm_3_is_read() {
    let record = decode_as(3, &pack(&v3())).unwrap();
    assert_eq!(record.status, ReleaseStatus::Deployed);
    assert_eq!(record.rolled_back_to, Some(Revision(1)));
    assert_eq!(record.last_deployed.as_deref(), Some("2026-01-02T00:00:00Z"));
    assert_eq!(
        (record.chart.as_str(), record.chart_version.as_str()),
        ("vllm", "1.2.0")
    );
    assert_eq!(record.apply_method, ApplyMethod::ClientSide);
    let hook = Hook {
        name: "h".into(),
        kind: "Job".into(),
        events: vec!["pre-rollback".into()],
        began_only: false,
    };
    assert_eq!(record.hooks, [hook]);
    assert_eq!(record.manifest, "kind: Service\n");
    assert_eq!(record.manifest_sha256.len(), 64);
}

#[test]
fn a_record_of_helm_4_tells_its_apply_method_and_its_source_revision() {
    let mut record = v3();
    record["apply_method"] = json!("ssa");
    record["info"] = json!({"status": "pending-rollback", "description": "by hand", "rollback_revision": 2});
    record["chart"]["modtime"] = json!("2026-01-01T00:00:00Z");
    let record = decode_as(3, &pack(&record)).unwrap();
    assert_eq!(record.apply_method, ApplyMethod::ServerSide);
    assert_eq!(record.rolled_back_to, Some(Revision(2)));
    assert_eq!(record.last_deployed, None);
    assert!(record.status.is_pending());
}

#[test]
fn a_hook_that_began_and_did_not_succeed_is_told() {
    for (phase, began_only) in [("Running", true), ("Failed", true), ("Succeeded", false), ("", false)] {
        let mut record = v3();
        record["hooks"][0]["last_run"] = json!({"started_at": "2026-01-02T00:00:00Z", "phase": phase});
        assert_eq!(
            decode_as(3, &pack(&record)).unwrap().hooks[0].began_only,
            began_only,
            "{phase}"
        );
    }
}

#[test]
fn times_may_be_missing_null_empty_or_zero() {
    for time in [json!(null), json!(""), json!("0001-01-01T00:00:00Z")] {
        let mut record = v3();
        record["info"]["last_deployed"] = time;
        assert_eq!(decode_as(3, &pack(&record)).unwrap().last_deployed, None);
    }
}

#[test]
fn an_old_record_without_gzip_is_read() {
    let payload = STANDARD.encode(v3().to_string());
    assert_eq!(decode_as(3, payload.as_bytes()).unwrap().revision, Revision(3));
}

#[test]
fn a_description_that_goes_on_after_the_number_still_tells_the_source() {
    let mut record = v3();
    for (text, wanted) in [
        ("Rollback to 12 (run 01J)", Some(Revision(12))),
        ("Rollback to 0", None),
        ("Rollback", None),
    ] {
        record["info"]["description"] = json!(text);
        assert_eq!(decode_as(3, &pack(&record)).unwrap().rolled_back_to, wanted, "{text}");
    }
}

#[test]
fn each_broken_layer_is_named_with_its_object() {
    let mut torn = gzip(v3().to_string().as_bytes());
    torn.truncate(torn.len() / 2);
    let cases: [(&str, Vec<u8>); 6] = [
        ("empty", b" \n".to_vec()),
        ("not base64", b"%%%".to_vec()),
        ("gzip stream is damaged", STANDARD.encode(&torn).into_bytes()),
        ("not JSON", STANDARD.encode(gzip(b"{\"name\":")).into_bytes()),
        ("not a release record", pack(&json!({"name": "llama"}))),
        (
            "not JSON",
            STANDARD
                .encode(gzip(format!("{{\"x\":{}", "[".repeat(100_000)).as_bytes()))
                .into_bytes(),
        ),
    ];
    for (named, payload) in cases {
        let failure = decode_as(3, &payload).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(failure.to_string().contains("Secret/rec.v3"), "{failure}");
        assert!(failure.to_string().contains(named), "{named}: {failure}");
        assert!(!failure.next.is_empty());
    }
}

#[test]
fn a_gzip_bomb_is_refused_at_the_cap() {
    let bomb = gzip(&vec![b' '; INFLATED_CAP + 1]);
    assert!(bomb.len() < 100_000);
    let failure = decode_as(3, STANDARD.encode(bomb).as_bytes()).unwrap_err();
    assert!(failure.to_string().contains("more than 64 MiB"), "{failure}");
}

#[test]
fn a_record_under_a_foreign_label_is_refused() {
    for (field, value) in [
        ("name", json!("other")),
        ("namespace", json!("other")),
        ("version", json!(4)),
    ] {
        let mut record = v3();
        record[field] = value;
        let failure = decode_as(3, &pack(&record)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(failure.to_string().contains("the record inside says"), "{failure}");
    }
}

#[test]
fn values_of_a_broken_record_are_not_quoted() {
    let mut record = v3();
    record["version"] = json!("hunter2");
    assert!(
        !decode_as(3, &pack(&record))
            .unwrap_err()
            .to_string()
            .contains("hunter2")
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_as(3, &bytes);
        let _ = decode_as(3, STANDARD.encode(&bytes).as_bytes());
        let _ = decode_as(3, STANDARD.encode(gzip(&bytes)).as_bytes());
        let mut headed = vec![0x1f, 0x8b, 0x08];
        headed.extend(&bytes);
        let _ = decode_as(3, STANDARD.encode(headed).as_bytes());
    }

    #[test]
    fn what_is_packed_is_read_back(manifest in ".*", version in 1u32.., description in ".*") {
        let mut record = v3();
        record["version"] = json!(version);
        record["manifest"] = json!(manifest);
        record["info"]["description"] = json!(description);
        let read = decode_as(version, &pack(&record)).unwrap();
        prop_assert_eq!(read.manifest, manifest);
        prop_assert_eq!(read.description, description);
        prop_assert_eq!(read.revision, Revision(version));
    }
}
