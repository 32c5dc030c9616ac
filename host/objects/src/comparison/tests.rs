use proptest::prelude::*;
use serde_json::json;

use super::*;

fn deployment() -> Fields {
    Fields::of_kind("apps/v1", "Deployment")
}

fn spec(container: &Value) -> Value {
    json!({"containers": [container]})
}

fn compared(wanted: &Value, live: &Value) -> Vec<Difference> {
    compare(&deployment(), &["spec", "template", "spec"], &spec(wanted), &spec(live))
}

fn found(wanted: &Value, live: &Value) -> Vec<(String, Against)> {
    let found = compared(wanted, live);
    found
        .into_iter()
        .map(|one| (one.path.replace("spec.template.spec.containers", ""), one.against))
        .collect()
}

fn assert_differ(wanted: &Value, live: &Value, path: &str, against: Against) {
    assert_eq!(found(wanted, live), [(path.to_owned(), against)]);
}

#[test]
fn a_version_is_no_quantity() {
    let env = |value: &str| json!({"name": "c", "env": [{"name": "MODEL_VERSION", "value": value}]});
    assert_differ(
        &env("1.1"),
        &env("1.10"),
        "[c].env[MODEL_VERSION].value",
        Against::Declared,
    );
    assert_differ(
        &env("1"),
        &env("1000m"),
        "[c].env[MODEL_VERSION].value",
        Against::Declared,
    );
    let args = |value: &str| json!({"name": "c", "args": ["--v", value]});
    assert_differ(&args("1.1"), &args("1.10"), "[c].args[1]", Against::Declared);
    let data = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"limits": value}});
    let config = Fields::of_kind("v1", "ConfigMap");
    assert!(!is_live(&config, &[], &data("1.1"), &data("1.10")));
    assert!(is_live(&config, &[], &data("1.1"), &data("1.1")));
}

#[test]
fn amounts_that_mean_the_same_are_the_same_where_the_api_has_amounts() {
    let limits = |cpu: Value, memory: &str, gpu: Value| json!({"name": "c", "resources": {"limits": {"cpu": cpu, "memory": memory, "nvidia.com/gpu": gpu}}});
    let live = limits(json!("1"), "1Gi", json!("1"));
    assert_eq!(found(&limits(json!("1000m"), "1024Mi", json!(1)), &live), []);
    assert_differ(
        &limits(json!(1.5), "1Gi", json!("1")),
        &live,
        "[c].resources.limits.cpu",
        Against::Declared,
    );
    let word = limits(json!("one"), "1Gi", json!("1"));
    assert_differ(&word, &live, "[c].resources.limits.cpu", Against::Declared);
    let custom = Fields::of_kind("example.com/v1", "Deployment");
    let (wanted, live) = (
        json!({"resources": {"limits": {"cpu": "1000m"}}}),
        json!({"resources": {"limits": {"cpu": "1"}}}),
    );
    assert!(
        !is_live(&custom, &["spec"], &wanted, &live),
        "a custom resource is stored as it is written"
    );
}

#[test]
fn numbers_are_compared_by_value_and_never_with_texts() {
    let at = |value: Value| json!({"name": "c", "x": value});
    assert_eq!(found(&at(json!(1)), &at(json!(1.0))), []);
    for (wanted, live) in [
        (json!(1), json!("1")),
        (json!(80), json!(81)),
        (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)),
        (json!(true), json!("true")),
        (json!(false), json!(true)),
        (json!(0), json!(5)),
        (json!([]), json!(["a"])),
    ] {
        assert_differ(&at(wanted), &at(live), "[c].x", Against::Declared);
    }
}

#[test]
fn what_only_the_live_object_has_is_another_question() {
    let wanted = json!({"name": "c", "image": "i", "securityContext": {}, "command": null, "policy": ""});
    let live = json!({"name": "c", "image": "i", "securityContext": {"privileged": true}, "command": ["x"], "policy": "Always", "more": 1});
    let wanted_found: Vec<_> = ["securityContext.privileged", "command", "policy", "more"]
        .map(|path| (format!("[c].{path}"), Against::Undeclared))
        .into();
    assert_eq!(found(&wanted, &live), wanted_found);
    assert!(is_live(&deployment(), &[], &wanted, &live));
    assert_eq!(found(&wanted, &json!({"name": "c", "image": "i"})), []);
    assert_differ(
        &live,
        &json!({"name": "c", "image": "i", "securityContext": {"privileged": true}, "command": ["x"], "policy": "Always"}),
        "[c].more",
        Against::Declared,
    );
}

#[test]
fn an_empty_text_is_a_value_where_texts_are_kept() {
    let env = |value: &str| json!({"name": "c", "env": [{"name": "A", "value": value}]});
    assert_differ(&env(""), &env("x"), "[c].env[A].value", Against::Declared);
    let labels = |value: &str| json!({"metadata": {"labels": {"a": value}}});
    assert!(!is_live(&deployment(), &[], &labels(""), &labels("x")));
    let data = |value: Value| json!({"data": {"a": value}});
    assert!(!is_live(
        &Fields::of_kind("v1", "ConfigMap"),
        &[],
        &data(json!("")),
        &data(json!("x"))
    ));
    assert_eq!(found(&env(""), &json!({"name": "c", "env": [{"name": "A"}]})), []);
}

#[test]
fn lists_of_named_things_are_compared_by_name_and_others_by_place() {
    let env = |names: &[&str]| {
        let env: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        json!({"name": "c", "env": env})
    };
    assert_eq!(found(&env(&["A", "B"]), &env(&["B", "A"])), []);
    assert_differ(&env(&["A"]), &env(&["A", "LEFT"]), "[c].env[LEFT]", Against::Declared);
    assert_differ(&env(&["A", "B"]), &env(&["A"]), "[c].env[B]", Against::Declared);
    let args = |args: &[&str]| json!({"name": "c", "args": args});
    assert_differ(&args(&["a"]), &args(&["b"]), "[c].args[0]", Against::Declared);
    assert_differ(&args(&["a"]), &args(&["a", "b"]), "[c].args", Against::Declared);
    let mounts = |path: &str| json!({"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": path}]});
    let lines: Vec<_> = found(&mounts("/b"), &mounts("/c"))
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(lines, ["[c].volumeMounts[/b]", "[c].volumeMounts[/c]"]);
    let ports = |port: u32| json!({"name": "c", "ports": [{"containerPort": port}]});
    assert_eq!(found(&ports(1), &ports(2))[0].0, "[c].ports[1]");
}

#[test]
fn values_are_shown_without_secrets_and_what_differs_still_shows() {
    let container = |key: &str| {
        json!({"name": "c", "args": ["--api-key", key, "--model", "m"], "command": ["bash", "-c", format!("serve --api-key {key}")],
            "env": [{"name": "HF_TOKEN", "value": key}, {"name": "A", "value": key.len().to_string()}]})
    };
    let differences = compared(&container("canary-one"), &container("canary-two-2"));
    assert_eq!(differences.len(), 4);
    let text = format!("{differences:?}");
    assert!(!text.contains("canary"), "{text}");
    for one in &differences {
        assert_ne!(one.wanted, one.live);
    }
    assert_eq!(differences[0].wanted, Some(redaction::hidden("canary-one")));
    assert!(
        format!("{:?}", compared(&container("canary"), &json!({"name": "c"})))
            .find("canary")
            .is_none()
    );
    assert!(compared(&container("canary"), &container("canary")).is_empty());
}

#[test]
fn long_values_are_cut_and_still_told_apart() {
    let args = |end: &str| json!({"name": "c", "args": [format!("{}{end}", "ä".repeat(300))]});
    let found = compared(&args("1"), &args("2"));
    let [wanted, live] = [&found[0].wanted, &found[0].live].map(|text| text.clone().unwrap());
    assert!(
        wanted.chars().count() < 240 && wanted.contains("…") && wanted != live,
        "{wanted}"
    );
    let shorter = compared(&args("1"), &json!({"name": "c", "args": ["x"]}));
    assert_eq!(shorter[0].wanted, Some("ä".repeat(200) + "…"));
}

#[test]
fn keys_with_dots_stand_in_brackets() {
    assert_eq!(field("spec", "a.b/c"), "spec[a.b/c]");
    assert_eq!(field("", "a/b"), "[a/b]");
    assert_eq!(field("", "spec"), "spec");
    assert_eq!(field("spec", "replicas"), "spec.replicas");
}

#[test]
fn elements_need_one_key_that_tells_them_apart_in_all_lists() {
    let list = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let (one, two, twice) = (list(&["a"]), list(&["a", "b"]), list(&["a", "a"]));
    let [first, second] = elements([&one, &two]).unwrap();
    assert_eq!((first.len(), second.len()), (1, 2));
    assert_eq!(elements([one.as_slice(), &twice]), None);
    assert_eq!(elements([one.as_slice(), &[json!(1)]]), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[0-9.]{0,4}(m|Gi|k)?".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("name|data|env|spec|limits|resources|containers|[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(value in any_json()) {
        prop_assert_eq!(compare(&deployment(), &[], &value, &value), []);
        prop_assert!(is_live(&deployment(), &["spec"], &value, &value));
    }

    #[test]
    fn what_is_equal_both_ways_is_equal(a in any_json(), b in any_json()) {
        let equal = |a, b| compare(&deployment(), &["spec"], a, b).is_empty();
        prop_assert_eq!(equal(&a, &b), equal(&b, &a), "{} {}", a, b);
    }

    #[test]
    fn equal_amounts_are_an_equivalence(texts in proptest::collection::vec("[0-2](000m|\\.0|e0|k|Ki|000|024)?", 3)) {
        let same = |a: usize, b: usize| {
            let at = |text: &str| json!({"containers": [{"name": "c", "resources": {"limits": {"cpu": text}}}]});
            compare(&deployment(), &["spec", "template", "spec"], &at(&texts[a]), &at(&texts[b])).is_empty()
        };
        prop_assert!(same(0, 0));
        prop_assert_eq!(same(0, 1), same(1, 0));
        prop_assert!(!(same(0, 1) && same(1, 2)) || same(0, 2), "{:?}", texts);
    }
}
