//! Inputs of the right form with something wrong in one place, which random bytes seldom have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};
use vllm_rollback_engine::release::{ReleaseRef, Revision};
use vllm_rollback_fuzz::targets::{self, configuration::complaint, journal::damaged};
use vllm_rollback_helm::record::{Origin, decode};

/// Stands for whatever must not be shown.
const CANARY: &str = "hunter2hunter2";

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 128,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

/// Any JSON, not large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(?s).{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Every place in a document, the document itself left out.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |key: String, inner: &Value| {
        let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        places(inner, &here, found);
        found.push(here);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| visit(key.clone(), inner)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, inner)| visit(at.to_string(), inner)),
        _ => {}
    }
}

/// The document with something else in one place.
fn spoilt(mut document: Value, place: Index, with: Value) -> (String, Value) {
    let mut found = Vec::new();
    places(&document, "", &mut found);
    let at = place.get(&found).clone();
    *document.pointer_mut(&at).unwrap() = with;
    (at, document)
}

fn release_record() -> Value {
    json!({"name": "llama", "version": 3, "namespace": "ml", "apply_method": "ssa",
        "manifest": "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n", "config": {"a": 1},
        "info": {"last_deployed": "2026-01-02T00:00:00Z", "description": "Rollback to 1", "status": "deployed",
            "rollback_revision": 1},
        "chart": {"metadata": {"name": "vllm", "version": "1.2.0", "appVersion": "0.33"}, "templates": [{"name": "a"}]},
        "hooks": [{"name": "h", "kind": "Job", "manifest": "m", "events": ["pre-rollback"]}]})
}

fn completion() -> Value {
    json!({"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [{"index": 0, "text": " hi",
        "message": {"role": "assistant", "content": "hi", "reasoning_content": null}, "finish_reason": "length"}],
        "usage": {"completion_tokens": 2}, "error": {"message": "no", "code": 404},
        "data": [{"id": "a", "root": "/m", "parent": null, "max_model_len": 4096}]})
}

fn settings() -> Value {
    json!({"model": "llama", "environment": "production",
        "registry": {"driver": "postgres", "postgres": {"dsn_env": "DSN", "dsn_file": "dsn", "table": "t"},
            "redis": {"url_env": "REDIS", "url_file": "redis", "mode": "wait"}},
        "router": {"url": "http://api-router:8080", "key_env": "KEY", "key_file": "key"},
        "checks": {"plugins": [{"file": "mine.wasm", "grants": ["pod"], "required": true}],
            "params": {"completion": {"max_tokens": 5}}},
        "timeouts": {"drain": "45s", "ready": "20m"}})
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_record_with_anything_in_one_place(place: Index, with in any_json()) {
        let (_, document) = spoilt(release_record(), place, with);
        targets::record(document.to_string().as_bytes());
    }

    #[test]
    fn a_record_that_is_refused_shows_nothing_of_itself(place: Index, wraps in 0..3) {
        let with = match wraps {
            0 => json!(CANARY),
            1 => json!([CANARY]),
            _ => json!({ CANARY: CANARY }),
        };
        let (at, document) = spoilt(release_record(), place, with);
        let release = ReleaseRef { namespace: "ml".into(), name: "llama".into() };
        let origin = Origin { kind: "Secret", object: "rec", release: &release, revision: Revision(3) };
        // Whose record it says it is, is no secret and is told.
        if let Err(failure) = decode(origin, STANDARD.encode(document.to_string()).as_bytes()) {
            prop_assert!(at == "/name" || at == "/namespace" || !failure.to_string().contains(CANARY), "{}: {}", at, failure);
        }
    }

    #[test]
    fn an_answer_with_anything_in_one_place(place: Index, with in any_json()) {
        let (_, document) = spoilt(completion(), place, with);
        targets::answers(document.to_string().as_bytes());
    }

    #[test]
    fn a_configuration_with_anything_in_one_place(place: Index, with in any_json()) {
        let (_, document) = spoilt(settings(), place, with);
        targets::configuration(document.to_string().as_bytes());
    }

    #[test]
    fn a_secret_that_stands_where_a_name_belongs_is_not_shown(
        place in prop::sample::select(vec![
            "/registry/postgres/dsn_env", "/registry/redis/url_env", "/router/key_env", "/router/url",
            "/registry/postgres/dsn", "/registry/redis/password", "/router/key", "/registry/postgres", "/registry/redis",
            "/router", "/registry",
        ]),
        form in 0..4,
    ) {
        let secret = match form {
            0 => json!(format!("postgres://u:{CANARY}@db/r")),
            1 => json!(format!("{CANARY}!")),
            2 => json!([format!("{CANARY}!")]),
            _ => json!(format!("http://u:{CANARY}@router")),
        };
        let mut document = settings();
        let (parent, key) = place.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = secret;
        if let Some(why) = complaint(&document.to_string()) {
            prop_assert!(!why.contains(CANARY), "{}", why);
        }
    }

    #[test]
    fn metrics_that_are_cut_off_or_changed_in_one_place(place: Index, to in any::<u8>(), cut: bool) {
        let mut page = concat!(
            "# TYPE vllm:num_requests_running gauge\n",
            "vllm:num_requests_running{engine=\"0\",model_name=\"a\\\"b\\\\c\\nd\"} 2.0 1700000000000\n",
            "vllm:num_requests_waiting{engine=\"0\"} 4.0 # {trace=\"x\"} 0.5\n",
            "http_requests_total{handler=\"/v1/completions\",status=\"2xx\"} 5e3\nx NaN\ny +Inf\n# EOF\n",
        ).as_bytes().to_vec();
        let at = place.index(page.len());
        page[at] = to;
        if cut {
            page.truncate(at);
        }
        targets::metrics(&page);
    }

    #[test]
    fn a_journal_that_is_damaged_in_up_to_four_places(
        texts in prop::collection::vec("(?s).{0,20}", 1..4),
        changes in prop::collection::vec((any::<i64>(), any::<u8>(), any::<u8>()), 1..5),
    ) {
        damaged(&texts, &changes);
    }

    #[test]
    fn a_journal_whose_checksums_name_is_damaged_with_something_else(
        text in "[a-z]{0,8}",
        (from_end, bit) in (12..22_i64, 0..8_u8),
        digit in 1..9_u8,
    ) {
        // A line begins with `{"seq":1` and ends with `,"crc32":"01234567"}` and its line break.
        damaged(&[text], &[(-from_end, 1 << bit, 0), (7, b'1' ^ (b'0' + digit), 0)]);
    }

    #[test]
    fn a_path_that_is_encoded_any_number_of_times(
        parts in prop::collection::vec(prop_oneof![
            Just("/"), Just("."), Just(".."), Just("%"), Just("2"), Just("5"), Just("e"), Just("E"), Just("f"), Just("%2e"),
            Just("%2F"), Just("%25"), Just("%32"), Just("%65"), Just("\\"), Just("%5c"), Just(";"), Just("?"), Just("a"),
        ], 0..14),
    ) {
        targets::request(format!("pod\nGET\n/{}", parts.concat()).as_bytes());
    }

    #[test]
    fn a_request_with_any_header(name in "[A-Za-z-]{1,20}|(?s).{0,8}", value in "(?s).{0,20}") {
        targets::request(format!("router\nPOST\n/v1/x\n{name}: {value}").as_bytes());
    }

    #[test]
    fn a_component_that_is_cut_off_or_changed_in_one_place(place: Index, to in any::<u8>(), cut: bool) {
        let mut wasm = include_bytes!("../../corpus/component/check.wasm").to_vec();
        let at = place.index(wasm.len());
        wasm[at] = to;
        if cut {
            wasm.truncate(at);
        }
        targets::component(&wasm);
    }

    #[test]
    fn a_manifest_with_anything_in_one_place(place: Index, with in any_json()) {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"},
            "spec": {"template": {"spec": {"containers": [{"name": "vllm", "args": ["--api-key", CANARY],
                "env": [{"name": "HF_TOKEN", "value": CANARY}]}]}}}});
        let (_, object) = spoilt(object, place, with);
        targets::manifest(format!("---\n{object}\n---\nkind: List\napiVersion: v1\nitems:\n- {object}\n").as_bytes());
    }
}
