//! A field that a failed upgrade left behind keeps the model out of traffic.

use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;

use crate::fixture::{CRASH, Model, RELEASE, SERVICE};
use crate::on_both_helms;

#[test]
fn a_leftover_in_the_pod_template_is_found_and_the_model_is_not_let_back() {
    let model = Model::good("leftover", Major::Three);
    model.upgrade(2, &[CRASH]);
    // Neither manifest mentions the field, so Helm's three-way merge keeps it through the rollback (helm#13346).
    let patch =
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"vllm","env":[{"name":"LEFTOVER","value":"1"}]}]}}}}"#;
    let container = model.namespace.kubectl().run(&[
        "get",
        "deployment",
        SERVICE,
        "-n",
        &model.namespace.name,
        "-o",
        "jsonpath={.spec.template.spec.containers[0].name}",
    ]);
    let patch = patch.replace("\"vllm\"", &format!("\"{container}\""));
    model.namespace.kubectl().run(&[
        "patch",
        "deployment",
        SERVICE,
        "-n",
        &model.namespace.name,
        "-p",
        &patch,
    ]);
    let report = model.rollback(&[]).expect_code(11).report();
    assert_eq!(report.outcome, StateName::Held);
    let text = format!("{:?}", report.failure);
    assert!(text.contains("LEFTOVER"), "the field is named: {text}");
    model.assert_out_of_traffic();
}

/// The live container's variables and arguments, changed by hand.
fn patch(model: &Model, container: &str) {
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"vllm",{container}}}]}}}}}}}}"#);
    let name = &model.namespace.name;
    let kubectl = model.namespace.kubectl();
    kubectl.run(&["patch", "deployment", SERVICE, "-n", name, "-p", &patch]);
}

on_both_helms!(a_version_that_differs_in_a_zero_is_another_version, |major| {
    let model = Model::good_with(
        "version",
        major,
        &["extraEnv[0].name=MODEL_VERSION", "extraEnv[0].value=1.1"],
    );
    model.tool().run(&["validate", RELEASE]).expect_code(0);
    patch(&model, r#""env":[{"name":"MODEL_VERSION","value":"1.10"}]"#);
    let name = &model.namespace.name;
    let rollout = ["rollout", "status", "deployment", SERVICE, "-n", name, "--timeout=120s"];
    model.namespace.kubectl().run(&rollout);
    let ran = model.tool().run(&["validate", RELEASE]);
    assert_ne!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("MODEL_VERSION"), "{said}");
});

on_both_helms!(what_differs_is_told_without_the_secrets_in_it, |major| {
    let keys = [
        "extraEnv[0].name=SERVICE_TOKEN",
        "extraEnv[0].value=canary-in-the-chart-1",
    ];
    let model = Model::good_with("leak", major, &keys);
    model.upgrade(2, &keys);
    patch(
        &model,
        r#""env":[{"name":"SERVICE_TOKEN","value":"canary-by-hand-1"}],"command":["bash","-c","exec vllm-sim --api-key canary-by-hand-2"],"args":["--api-key","canary-by-hand-3"]"#,
    );
    let mut said = String::new();
    for verb in [["plan", RELEASE, "-o", "json"], ["validate", RELEASE, "-o", "json"]] {
        let ran = model.tool().run(&verb);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    assert!(said.contains("SERVICE_TOKEN") && said.contains("<redacted:"), "{said}");
    assert!(!said.contains("canary"), "{said}");
});
