//! A model that two registries let in: the row of a table and the release's Service.

use std::sync::Arc;

use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Caller, Hook, Moment, StatusCode};

use crate::fixture::{RELEASE, assert_restored};
use crate::on_both_helms;
use crate::postgres::{REGISTRY, Registered};

/// As the cases of one registry, with the Service beside it.
fn both() -> Vec<&'static str> {
    let mut words = REGISTRY.to_vec();
    words[1] = "postgres,service";
    words
}

on_both_helms!(
    both_take_the_model_out_and_let_it_in_again_in_a_run_and_by_hand,
    |major| {
        let registered = Registered::crashed("both", major, &[]);
        let report = registered
            .rollback_with(&registered.tool(), &both())
            .expect_code(0)
            .report();
        assert_restored(&report, 1);
        let fenced = report.states.iter().find(|state| state.name == StateName::Fenced);
        let lines = fenced.map(|state| state.evidence.join(" ")).unwrap_or_default();
        assert!(
            lines.contains("status disabled") && lines.contains("gate closed"),
            "{lines}"
        );
        assert_eq!(registered.status(), "ready");
        registered.model.assert_serves(1);
        assert_eq!(registered.ask_router(), 200);
        // By hand, too.
        let run = |verb: &str| {
            let words = [&["registry", verb, RELEASE, "--yes", "-o", "json"], &both()[..]].concat();
            registered.tool().run(&words).expect_code(0)
        };
        run("disable");
        assert_eq!(registered.status(), "disabled");
        registered.model.assert_out_of_traffic();
        run("enable");
        assert_eq!(registered.status(), "ready");
        registered.model.assert_serves(1);
    }
);

#[test]
fn when_the_second_cannot_be_stopped_the_first_is_put_back_and_nothing_is_changed() {
    let registered = Registered::crashed("half", Major::Four, &[]);
    let hook: Hook = Arc::new(|call, moment| {
        let closes = call.by == Caller::Tool && moment == Moment::Before && call.change > 0;
        if closes && call.path.contains("/services/") {
            Act::Answer(StatusCode::FORBIDDEN)
        } else {
            Act::Pass
        }
    });
    let proxy = ApiProxy::start(registered.model.namespace.testbed, hook);
    let tool = registered.tool().kubeconfig(proxy.kubeconfig());
    let ran = registered.rollback_with(&tool, &both()).expect_code(1);
    let report = ran.report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    let failure = format!("{:?}", report.failure);
    assert!(failure.contains("stopped before it: postgres"), "{failure}");
    assert!(ran.stderr.contains("was put back"), "{}", ran.stderr);
    assert_eq!(registered.status(), "ready");
    assert_eq!(registered.model.statuses().len(), 2);
    // Nothing is left that stands in the way of the next run.
    let report = registered
        .rollback_with(&registered.tool(), &both())
        .expect_code(0)
        .report();
    assert_restored(&report, 1);
}
