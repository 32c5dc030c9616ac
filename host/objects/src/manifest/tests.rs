use super::*;
use proptest::prelude::*;

fn labels(text: &str) -> Vec<String> {
    let manifest = Manifest::parse(text, "ml").unwrap();
    manifest.objects.iter().map(Object::label).collect()
}

/// The cases and what Helm's own libraries make of them: k8s.io/apimachinery v0.35.4 `NewYAMLOrJSONDecoder`. Made by
/// `tests/manifest/README.md`.
#[test]
fn every_document_that_helm_accepts_is_read_as_helm_reads_it() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for line in include_str!("../../tests/manifest/helm.jsonl").lines() {
        let (text, wanted): (String, Vec<Value>) = serde_json::from_str(line).unwrap();
        let read: Result<Vec<Value>, String> = documents(&text).and_then(|found| {
            let read = found.iter().map(|(_, document)| yaml::read(document));
            let values = read.map(|one| one.map_err(|trouble| format!("{trouble:?}")));
            values.filter_map(Result::transpose).collect()
        });
        if read.as_ref() != Ok(&wanted) {
            wrong.push(format!("{text:?} is {wanted:?} and was read as {read:?}"));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 200, "only {checked} cases");
}

#[test]
fn what_only_looks_like_a_number_is_a_text() {
    for text in [
        "+",
        ".",
        "-.",
        "1e",
        "1e+",
        ".e5",
        "1.2.3",
        "1e5e5",
        "1e+-5",
        "+inf",
        "-nan",
        "+infinity",
        "1.5x",
    ] {
        assert_eq!(scalar::resolve(text), Some(Value::from(text)), "{text}");
    }
    for (text, value) in [("+1.5", 1.5), (".5", 0.5), ("-1.25E-1", -0.125)] {
        assert_eq!(scalar::resolve(text), Some(Value::from(value)), "{text}");
    }
    assert_eq!(scalar::resolve("1.e+2"), Some(Value::from(100)));
}

#[test]
fn documents_become_objects_and_empty_ones_are_skipped() {
    let text = "---\n# Source: a.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: s\n---\n\n--- # nothing\n---\n\
                apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\n  namespace: other\n";
    let manifest = Manifest::parse(text, "ml").unwrap();
    assert_eq!(labels(text), ["Service/s", "Deployment/d"]);
    assert_eq!(manifest.objects[0].namespace, "ml");
    assert_eq!(manifest.objects[1].namespace, "other");
    assert!(labels("").is_empty() && labels("---\n# nothing\n").is_empty());
}

#[test]
fn a_key_given_twice_has_its_last_value() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n  labels: {a: '1'}\n  labels: {a: '2', b: '3'}\n";
    let json = &Manifest::parse(text, "ml").unwrap().objects[0].json;
    assert_eq!(json["metadata"]["labels"], serde_json::json!({"a": "2", "b": "3"}));
}

#[test]
fn lists_are_taken_apart_and_lend_their_items_a_kind() {
    let text = "kind: List\napiVersion: v1\nitems:\n- {kind: A, apiVersion: v1, metadata: {name: a}}\n\
                - {kind: List, apiVersion: v1, items: [{kind: B, apiVersion: v1, metadata: {name: b}}]}\n---\n\
                kind: ConfigMapList\napiVersion: v1\nitems:\n- metadata: {name: c}\n---\nkind: List\napiVersion: v1\nitems: []\n";
    assert_eq!(labels(text), ["A/a", "B/b", "ConfigMap/c"]);
    assert!(Manifest::parse("kind: List\napiVersion: v1\nitems: [text]\n", "ml").is_err());
}

#[test]
fn trouble_is_placed_but_not_quoted() {
    for (text, place) in [
        ("kind: Secret\ndata: {canary: [}\n", "line 2, column"),
        ("---\n# x\n---\na: 1\nb: [canary\n---\nc: 1\n", "line 5"),
        ("a: 1\n---canary\n", "line 2"),
        ("a: {canary: .inf}\n", "line 1, column 13"),
        ("a: {canary: .nan}\n", "line 1, column 13"),
        ("a: *canary\n", "line 1, column 4"),
        ("kind: A\napiVersion: v1\ncanary: 1\n", "object 1"),
        ("canary\n", "object 1"),
    ] {
        let why = Manifest::parse(text, "ml").unwrap_err();
        assert!(why.contains(place) && !why.contains("canary"), "{text:?}: {why}");
    }
    let large = "#".repeat(LIMIT + 1);
    assert_eq!(Manifest::parse(&large, "ml").unwrap_err(), "it is larger than 32 MiB");
}

#[test]
fn what_would_fill_the_memory_is_refused() {
    let mut bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(Manifest::parse(&bomb, "ml").is_err());
    assert!(Manifest::parse(&"[".repeat(10_000), "ml").is_err());
    let nested = "&x [".repeat(200) + &"1,".repeat(100_000) + &"]".repeat(200);
    assert!(Manifest::parse(&nested, "ml").is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}", yaml in "[-a:{}\\[\\],&*<|>'\"#!%\n\t 01]{0,80}") {
        let _ = Manifest::parse(&text, "ml");
        let _ = Manifest::parse(&yaml, "ml");
    }

    #[test]
    fn json_is_read_as_json(text in "[ -~\u{e9}]{0,20}", number in any::<i64>(), flag in any::<bool>()) {
        let json = serde_json::json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"},
            "data": {"text": text, "list": [number, flag, null, {}], "true": {"1": number}}});
        let read = Manifest::parse(&json.to_string(), "ml").unwrap();
        prop_assert_eq!(&read.objects[0].json, &json);
    }
}
