//! A field that a failed upgrade left behind keeps the model out of traffic.

use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;

use crate::fixture::{CRASH, Model, SERVICE};

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
