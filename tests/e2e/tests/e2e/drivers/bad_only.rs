//! A stuck upgrade beside pods of the revision before: those go on serving, and no client sees the rollback.

use std::io::{BufRead, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::testbed::{HANG, Testbed};
use vllm_rollback_harness::tool::Tool;
use vllm_rollback_harness::wait;

use super::door::{Clients, Door, Knock};
use super::start;
use crate::fixture::{CRASH, Model, RELEASE, SERVICE, until_said};
use crate::on_both_helms;
use crate::roles::user;

/// As long as a run may take before it counts as hanging.
const GUARD: Duration = Duration::from_secs(180);

/// No pod is taken away before another one is ready.
const ONE_MORE: [&str; 4] = [
    "replicas=2",
    "strategy.type=RollingUpdate",
    "strategy.rollingUpdate.maxUnavailable=0",
    "strategy.rollingUpdate.maxSurge=1",
];

/// Two pods of revision 1.
fn two_good(hint: &str, major: Major) -> Model {
    let model = Model {
        namespace: Namespace::create(Testbed::shared(), hint),
        major,
    };
    model
        .helm()
        .install(RELEASE, &[&ONE_MORE[..], &["revisionLabel=1"]].concat());
    model
}

fn upgrade(model: &Model, set: &[&str]) {
    let values = [&ONE_MORE[..], &["revisionLabel=2"], set].concat();
    model.helm().upgrade(RELEASE, &values);
}

/// Two good pods, and a third that crashes again and again.
fn stuck(hint: &str, major: Major) -> Model {
    let model = two_good(hint, major);
    upgrade(&model, &[CRASH]);
    model
}

/// One good pod, and a bad one that is ready and answers; the quota leaves no room for the second bad one.
pub(super) fn half_way(hint: &str, major: Major) -> Model {
    let model = two_good(hint, major);
    let quota = serde_json::json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "gpus", "namespace": model.namespace.name },
        "spec": { "hard": { "requests.nvidia.com/gpu": "4" } },
    });
    model.namespace.kubectl().apply(&quota.to_string());
    upgrade(&model, &["gpus=2"]);
    let client = model.namespace.client(SERVICE);
    wait::until("one pod of each revision", HANG, || {
        let pods = pods(&model);
        let ready = client.endpoints().len();
        (pods.len() == 2 && ready == 2 && pods.iter().any(|(_, label)| label == "2")).then_some(())
    });
    model
}

/// Names of the pods, with the revision that each says it is of.
pub(super) fn pods(model: &Model) -> Vec<(String, String)> {
    pods_by(model, "SIM_REVISION")
}

/// Names of the pods, with their value of a variable.
fn pods_by(model: &Model, variable: &str) -> Vec<(String, String)> {
    let list = model
        .namespace
        .kubectl()
        .json(&[
            "-n",
            &model.namespace.name,
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/instance=llama",
        ])
        .expect("pods");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let named = |pod: &serde_json::Value| {
        let env = pod["spec"]["containers"][0]["env"].as_array()?;
        let label = env.iter().find(|one| one["name"] == variable)?;
        Some((
            pod["metadata"]["name"].as_str()?.to_owned(),
            label["value"].as_str()?.to_owned(),
        ))
    };
    items.iter().filter_map(named).collect()
}

/// Between which two moments a client found which addresses.
type Seen = (Instant, Instant, Vec<String>);

/// How clients reach the pods.
pub(super) struct Way {
    pub(super) tool: Tool,
    /// What the tool is told of it.
    pub(super) arguments: Vec<String>,
    pub(super) doors: Vec<Door>,
    /// Whom a client can reach now.
    pub(super) reached: Box<dyn Fn() -> Vec<String> + Send>,
}

impl Way {
    fn service(model: &Model) -> Self {
        let client = model.namespace.client(SERVICE);
        Self {
            tool: model.tool(),
            arguments: Vec::new(),
            doors: vec![Door::Service(client.clone()); 2],
            reached: Box::new(move || client.endpoints()),
        }
    }
}

/// Looks all the time at what a client could reach.
struct Watched {
    ended: Arc<AtomicBool>,
    watcher: std::thread::JoinHandle<Vec<Seen>>,
}

impl Watched {
    fn at(reached: Box<dyn Fn() -> Vec<String> + Send>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let watcher = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let addresses = reached();
                seen.push((begun, Instant::now(), addresses));
            }
            seen
        });
        Self { ended, watcher }
    }

    fn end(self) -> Vec<Seen> {
        self.ended.store(true, Ordering::Relaxed);
        self.watcher.join().expect("the watcher does not panic")
    }
}

/// Reads on until a line has these words; when it came.
fn until_line(stderr: &mut impl BufRead, words: &str) -> Instant {
    let mut seen = String::new();
    while !seen.contains(words) {
        assert!(
            stderr.read_line(&mut seen).expect("stderr is text") > 0,
            "it ended early: {seen}"
        );
    }
    Instant::now()
}

/// Rolls back with a client at the door: no request fails, no bad answer comes once the fence is up, and a pod that was not
/// checked before gets no request until all were.
pub(super) fn nobody_sees_it(way: Way) {
    let clients = Clients::at(way.doors);
    let watched = Watched::at(way.reached);
    let bad_only = ["--yes", "--fence", "bad-only"];
    let mut running = start(&way.tool, &["rollback"], &way.arguments, &bad_only);
    let mut stderr = until_said(&mut running, "helm rollback");
    let fenced = Instant::now();
    let opening = until_line(&mut stderr, "setting the registry back");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("stderr is text");
    assert_eq!(running.wait(GUARD), Some(0), "{rest}");
    assert_good_answers(&clients.call_back().concat(), fenced);
    let seen = watched.end();
    let mut fenced_in = seen
        .iter()
        .filter(|(begun, ended, _)| *begun > fenced && *ended < opening);
    let (_, _, spared) = fenced_in.next().expect("somebody looked behind the fence");
    assert!(!spared.is_empty());
    for (_, _, addresses) in fenced_in {
        assert!(
            addresses.iter().all(|address| spared.contains(address)),
            "{addresses:?} beside {spared:?}"
        );
    }
}

/// No request failed, and none that was asked behind the fence was answered by the bad revision.
pub(super) fn assert_good_answers(knocks: &[Knock], fenced: Instant) {
    let failed = knocks.iter().filter(|knock| knock.text.is_none()).count();
    assert_eq!(failed, 0, "of {} requests", knocks.len());
    let late: Vec<&Knock> = knocks.iter().filter(|knock| knock.asked > fenced).collect();
    assert!(late.len() > 10, "the client hardly asked: {}", late.len());
    for knock in late {
        let text = knock.text.as_deref().unwrap_or_default();
        assert!(text.contains("revision 1."), "after the fence: {text}");
    }
}

pub(super) fn until_two_good(model: &Model) {
    wait::until("two good pods", HANG, || {
        let pods = pods(model);
        (pods.len() == 2 && pods.iter().all(|(_, label)| label == "1")).then_some(())
    });
}

pub(super) fn assert_no_trace(model: &Model) {
    let gate = "rollback.vllm/gate";
    let list = model
        .namespace
        .kubectl()
        .json(&["-n", &model.namespace.name, "get", "pods,services"])
        .expect("a list");
    assert!(!list.to_string().contains(gate), "a label or a selector stays");
}

on_both_helms!(a_stuck_upgrade_is_rolled_back_without_a_failed_request, |major| {
    let model = stuck("spare", major);
    nobody_sees_it(Way::service(&model));
    model.assert_serves(1);
    assert_no_trace(&model);
});

on_both_helms!(
    a_bad_pod_that_answers_is_out_at_once_and_the_good_one_goes_on,
    |major| {
        let model = half_way("spareone", major);
        nobody_sees_it(Way::service(&model));
        until_two_good(&model);
        assert_no_trace(&model);
    }
);

#[test]
fn the_plan_proposes_it_and_says_which_pods_serve() {
    let model = stuck("sparep", Major::Four);
    let plan = model.tool().run(&["plan", RELEASE]).expect_code(0);
    assert!(plan.stdout.contains("--fence bad-only"), "{}", plan.stdout);
    assert!(plan.stdout.contains("they pass the direct checks"), "{}", plan.stdout);
    let wished = model
        .tool()
        .run(&["plan", RELEASE, "--fence", "bad-only"])
        .expect_code(0);
    for (name, _) in pods(&model).iter().filter(|(_, label)| label == "1") {
        assert!(
            plan.stdout.contains(name) && wished.stdout.contains(name),
            "{}",
            wished.stdout
        );
    }
}

#[test]
fn where_no_good_pod_is_left_or_the_driver_cannot_it_is_refused() {
    let model = Model::crashed("sparenone", Major::Four);
    let ran = model.rollback(&["--fence", "bad-only"]).expect_code(1);
    assert!(ran.stderr.contains("none to keep in traffic"), "{}", ran.stderr);
    let ran = model
        .rollback(&["--fence", "bad-only", "--registry", "none"])
        .expect_code(1);
    assert!(ran.stderr.contains("whole model"), "{}", ran.stderr);
}

/// The good pods that come will not be scheduled.
pub(super) fn never_ready(model: &Model) {
    // Helm does not know of it, so it stays through the rollback, and no node has it.
    let patch = r#"{"spec": {"template": {"spec": {"nodeSelector": {"left": "behind"}}}}}"#;
    model.namespace.patch("deployment", SERVICE, patch);
}

#[test]
fn a_run_that_fails_leaves_the_good_pods_serving_until_an_operator_says_otherwise() {
    let model = stuck("sparefail", Major::Four);
    never_ready(&model);
    let held = model
        .rollback(&["--fence", "bad-only", "--timeout", "20s"])
        .expect_code(11);
    let report = held.report();
    assert_eq!(report.outcome, StateName::Held);
    let traffic = report.traffic_after.expect("it was read");
    assert_eq!(traffic.status, TrafficStatus::Partial);
    model.assert_serves(1);
    let by_hand = |verb: &str| model.tool().run(&["registry", verb, RELEASE, "--yes"]).expect_code(0);
    by_hand("disable");
    model.assert_out_of_traffic();
    by_hand("enable");
    model.assert_serves(1);
    assert_no_trace(&model);
}

#[test]
fn one_more_role_is_needed_and_enough() {
    let model = stuck("sparerole", Major::Four);
    let run = |roles: &[&str]| {
        let (_kept, kubeconfig) = user(&model.namespace, roles);
        let tool = model.tool().kubeconfig(&kubeconfig);
        tool.rollback(RELEASE, &["--fence", "bad-only"])
    };
    let ran = run(&["run"]).expect_code(1);
    assert!(ran.stderr.contains("cannot label Pod/"), "{}", ran.stderr);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    run(&["run", "bad-only"]).expect_code(0);
    assert_no_trace(&model);
}

/// Values of a revision whose pods start once the ConfigMap [`start_pods`] is there, and that nothing but its version tells
/// from another one.
fn versioned(version: &str) -> Vec<String> {
    let more = [
        "extraEnv[0].name=MODEL_VERSION".to_owned(),
        format!("extraEnv[0].value={version}"),
        "extraEnv[1].name=MAY_START".to_owned(),
        "extraEnv[1].valueFrom.configMapKeyRef.name=start".to_owned(),
        "extraEnv[1].valueFrom.configMapKeyRef.key=now".to_owned(),
    ];
    ONE_MORE.map(str::to_owned).into_iter().chain(more).collect()
}

fn start_pods(model: &Model) {
    let start = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "now": "yes" },
        "metadata": { "name": "start", "namespace": model.namespace.name },
    });
    model.namespace.kubectl().apply(&start.to_string());
}

fn until_versions(model: &Model, ready: usize, wanted: &[&str]) {
    let client = model.namespace.client(SERVICE);
    wait::until("the pods of these versions", HANG, || {
        let mut versions: Vec<String> = pods_by(model, "MODEL_VERSION").into_iter().map(|(_, v)| v).collect();
        versions.sort();
        (versions == wanted && client.endpoints().len() == ready).then_some(())
    });
}

on_both_helms!(a_bad_pod_whose_version_differs_in_a_zero_is_not_good, |major| {
    let model = Model {
        namespace: Namespace::create(Testbed::shared(), "sparezero"),
        major,
    };
    let set = |version: &str, apply: &dyn Fn(&[&str])| {
        let values = versioned(version);
        apply(&values.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let kubectl = model.namespace.kubectl();
    let name = &model.namespace.name;
    start_pods(&model);
    set("1.1", &|values| model.helm().install(RELEASE, values));
    kubectl.run(&["delete", "configmap", "start", "-n", name]);
    set("1.10", &|values| model.helm().upgrade(RELEASE, values));
    until_versions(&model, 2, &["1.1", "1.1", "1.10"]);
    // Full already: once the bad pod is ready and a good one has gone for it, no second bad one comes.
    let quota = serde_json::json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "spec": { "hard": { "pods": "2" } },
        "metadata": { "name": "pods", "namespace": name },
    });
    kubectl.apply(&quota.to_string());
    start_pods(&model);
    until_versions(&model, 2, &["1.1", "1.10"]);

    let bad_only = ["plan", RELEASE, "--fence", "bad-only", "-o", "json"];
    let plan = model.tool().run(&bad_only).expect_code(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("JSON");
    let mut kept = plan["spares"].as_array().into_iter().flatten();
    let good = pods_by(&model, "MODEL_VERSION");
    let (good, _) = good.iter().find(|(_, version)| version == "1.1").expect("it serves");
    assert_eq!(
        kept.next().map(|pod| &pod["name"]),
        Some(&good.as_str().into()),
        "{plan}"
    );
    assert_eq!(kept.next(), None, "the bad one is kept too");

    // Where only bad pods are left, none of them may pass for good.
    kubectl.run(&["delete", "resourcequota", "pods", "-n", name]);
    until_versions(&model, 2, &["1.10", "1.10"]);
    let ran = model.tool().run(&bad_only).expect_code(1);
    assert!(ran.stderr.contains("none to keep in traffic"), "{}", ran.stderr);
});
