//! Each verb has a Role in `docs/roles`, made of the calls that it was seen to make: enough, and no more. To write them
//! anew: `UPDATE_ROLES=1 make test`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::paths;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Caller, Hook, Moment};
use vllm_rollback_harness::rbac::{self, Permission};
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::{Ran, Tool};
use vllm_rollback_harness::wait::until;

use crate::fixture::{Model, RELEASE};
use crate::roles::credentials;

/// The verbs that only look.
const READ: [&str; 5] = ["history", "plan", "registry-status", "status", "validate"];
/// The verbs that change something.
const RUN: [&str; 6] = [
    "abort",
    "registry-disable",
    "registry-enable",
    "resume",
    "rollback",
    "unlock",
];

/// What only some runs call, so that a Role has it although this time it was not seen.
const SOMETIMES: [(&str, &str); 3] = [
    ("list events", "a cause is looked for"),
    ("watch events", "a cause is looked for"),
    ("get pods/log", "a container crashed"),
];

/// What a slower run calls too: it renews its lock, and waits for the endpoints to go.
const GOES_WITH: [(&str, &str); 2] = [("create leases", "update"), ("list endpointslices", "watch")];

/// A verb that was run: its Role's name, the exit code that it ends with for who may do everything, and what it did.
struct Done {
    verb: &'static str,
    expected: i32,
    ran: Ran,
}

/// Runs every verb, each where it has something to do, with the tool that `tool_of` gives for it. Gives what each said.
fn every_verb<T>(major: Major, mut tool_of: impl FnMut(&Model, &str) -> (Tool, T)) -> Vec<Done> {
    let mut done = Vec::new();
    let mut run = |model: &Model, verb: &'static str, args: &[&str], expected: i32| {
        let (tool, _kept) = tool_of(model, verb);
        let ran = tool.run(args);
        done.push(Done { verb, expected, ran });
    };
    let model = Model::crashed("verbs", major);
    run(&model, "history", &["history", RELEASE], 0);
    run(&model, "status", &["status", RELEASE], 0);
    run(&model, "plan", &["plan", RELEASE], 0);
    run(&model, "validate", &["validate", RELEASE], 1);
    run(&model, "registry-status", &["registry", "status", RELEASE], 0);
    run(&model, "rollback", &["rollback", RELEASE, "--yes"], 0);
    run(&model, "validate", &["validate", RELEASE], 0);
    run(
        &model,
        "registry-disable",
        &["registry", "disable", RELEASE, "--yes"],
        0,
    );
    run(&model, "registry-enable", &["registry", "enable", RELEASE, "--yes"], 0);
    model.assert_serves(1);
    leave_a_lock(&model);
    run(&model, "unlock", &["unlock", RELEASE], 0);
    for verb in ["resume", "abort"] {
        let model = Model::crashed(verb, major);
        cut_off(&model);
        run(&model, verb, &[verb, RELEASE, "--yes"], 0);
    }
    done
}

/// As a run does that was killed long ago.
fn leave_a_lock(model: &Model) {
    let name = &model.namespace.name;
    model.namespace.kubectl().apply(&format!(
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {{name: vllm-rollback.{RELEASE}, namespace: {name}}}\n\
         spec: {{holderIdentity: dead, leaseDurationSeconds: 1, renewTime: \"2026-01-01T00:00:00.000000Z\"}}\n"
    ));
}

/// A run that is killed when its Helm is about to write, and whose lock has run out.
fn cut_off(model: &Model) {
    let pid = Arc::new(AtomicI32::new(0));
    let victim = Arc::clone(&pid);
    let hook: Hook = Arc::new(move |call, moment| {
        if call.by != Caller::Helm || call.change == 0 || moment != Moment::Before {
            return Act::Pass;
        }
        if let Some(pid) = Pid::from_raw(victim.load(Ordering::SeqCst)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        Act::Drop
    });
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let tool = model.tool().kubeconfig(proxy.kubeconfig());
    let mut running = tool.start(&["rollback", RELEASE, "--yes", "-o", "json"]);
    pid.store(i32::try_from(running.pid()).unwrap(), Ordering::SeqCst);
    assert_eq!(running.wait(HANG), Some(-1), "it is killed");
    assert_eq!(model.statuses().len(), 2, "Helm wrote nothing");
    until("the dead run's lock to run out", HANG, || {
        (model.tool().run(&["unlock", RELEASE]).code == 0).then_some(())
    });
}

/// What each verb calls, in sight of a proxy.
fn seen(major: Major) -> BTreeMap<String, BTreeSet<Permission>> {
    let seen = Arc::new(Mutex::new(BTreeMap::<String, BTreeSet<Permission>>::new()));
    let done = every_verb(major, |model, verb| {
        let (verb, namespace, seen) = (verb.to_owned(), model.namespace.name.clone(), Arc::clone(&seen));
        let hook: Hook = Arc::new(move |call, moment| {
            if moment == Moment::Before && call.by != Caller::Other {
                let needed = rbac::needed(call, &namespace);
                let mut seen = seen.lock().unwrap();
                let seen = seen.entry(verb.clone()).or_default();
                if call.by == Caller::Helm && call.method == "GET" {
                    seen.extend(needed.iter().cloned().filter_map(patched));
                }
                seen.extend(needed.into_iter().filter(|needed| !is_left_out(&verb, needed)));
            }
            Act::Pass
        });
        let proxy = ApiProxy::start(model.namespace.testbed, hook);
        (model.tool().kubeconfig(proxy.kubeconfig()), proxy)
    });
    for Done { expected, ran, .. } in done {
        ran.expect_code(expected);
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// `plan` tells what seems to route the release, and leaves out what it may not list.
fn is_left_out(verb: &str, permission: &Permission) -> bool {
    const SHOWN: [&str; 3] = ["list deployments", "list httproutes", "list aigatewayroutes"];
    verb == "plan" && SHOWN.contains(&permission.to_string().as_str())
}

/// What Helm reads it patches, as soon as it differs; its own records it never patches.
fn patched(read: Permission) -> Option<Permission> {
    let verb = "patch".to_owned();
    (read.verb == "get" && read.resource != "secrets").then_some(Permission { verb, ..read })
}

fn path(role: &str) -> PathBuf {
    paths::root().join(format!("docs/roles/{role}.yaml"))
}

fn comment(role: &str) -> String {
    let apply = format!("kubectl apply -n NAMESPACE -f {role}.yaml");
    let what = match role {
        "read" => "For all verbs that only look.".to_owned(),
        "run" => "For all verbs that change something; it lets you look, too.".to_owned(),
        "router" => {
            "For `--router-service`, in the router's namespace, beside the verb's own Role in the release's.".to_owned()
        }
        verb => format!("For `{}`.", verb.replace('-', " ")),
    };
    let helm = "\nHelm's part is that of a chart with a Deployment, a Service and a ServiceAccount; `plan` names what yours needs besides.";
    let helm = if matches!(role, "run" | "rollback" | "resume") {
        helm
    } else {
        ""
    };
    format!("{what} Made of the calls that were seen.\n{apply}{helm}")
}

/// The Roles that the calls ask for.
fn roles(seen: &BTreeMap<String, BTreeSet<Permission>>) -> BTreeMap<String, BTreeSet<Permission>> {
    let mut roles = seen.clone();
    for permissions in roles.values_mut() {
        for (has, verb) in GOES_WITH {
            if let Some(known) = permissions.iter().find(|p| p.to_string() == has).cloned() {
                let verb = verb.to_owned();
                permissions.insert(Permission { verb, ..known });
            }
        }
    }
    let seen = roles.clone();
    let union = |verbs: &[&str]| {
        verbs
            .iter()
            .flat_map(|verb| seen[*verb].clone())
            .collect::<BTreeSet<_>>()
    };
    let (read, run) = (union(&READ), union(&RUN));
    roles.insert("run".to_owned(), read.union(&run).cloned().collect());
    roles.insert("read".to_owned(), read);
    roles
}

#[test]
fn the_role_of_each_verb_is_what_it_calls() {
    let mut calls = seen(Major::Three);
    for (verb, more) in seen(Major::Four) {
        calls.entry(verb).or_default().extend(more);
    }
    for (role, permissions) in roles(&calls) {
        assert_is_what_is_called(&role, permissions);
    }
}

/// The file of `docs/roles` gives these permissions and no others; or it is written anew.
pub(crate) fn assert_is_what_is_called(role: &str, permissions: BTreeSet<Permission>) {
    let is_sometimes = |permission: &Permission| SOMETIMES.iter().any(|(known, _)| *known == permission.to_string());
    let file = path(role);
    let granted = granted(role);
    if std::env::var_os("UPDATE_ROLES").is_some() {
        let kept = granted.into_iter().filter(is_sometimes);
        let all = permissions.into_iter().chain(kept).collect();
        let text = rbac::role(&format!("vllm-rollback-{role}"), &comment(role), &all);
        std::fs::write(&file, text).unwrap();
        return;
    }
    let lacking: Vec<_> = permissions.difference(&granted).map(ToString::to_string).collect();
    assert!(lacking.is_empty(), "{} lacks {lacking:?}", file.display());
    let surplus = granted.difference(&permissions).filter(|p| !is_sometimes(p));
    let surplus: Vec<_> = surplus.map(ToString::to_string).collect();
    assert!(
        surplus.is_empty(),
        "{} gives more than is called: {surplus:?}",
        file.display()
    );
}

/// What a file of `docs/roles` gives; nothing where there is none yet.
fn granted(role: &str) -> BTreeSet<Permission> {
    let file = path(role);
    let file = file.to_string_lossy();
    let kubectl = vllm_rollback_harness::testbed::Testbed::shared().kubectl();
    let object = kubectl.json(&["create", "--dry-run=client", "-f", &file]);
    object.map(|role| rbac::permissions(&role)).unwrap_or_default()
}

/// A user with this Role alone, as a kubeconfig. The file lives as long as the directory.
fn user(namespace: &Namespace<'_>, name: &str, permissions: &BTreeSet<Permission>) -> (tempfile::TempDir, PathBuf) {
    let kubectl = namespace.kubectl();
    let place = &namespace.name;
    let role = rbac::role(name, "", permissions);
    let head = format!("metadata: {{name: {name}, namespace: {place}}}");
    kubectl.apply(&format!(
        "{}---\napiVersion: v1\nkind: ServiceAccount\n{head}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n{head}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
         subjects: [{{kind: ServiceAccount, name: {name}, namespace: {place}}}]\n",
        role.replace(&format!("  name: {name}\n"), &format!("  name: {name}\n  namespace: {place}\n"))
    ));
    credentials(namespace, name)
}

#[test]
fn each_verb_works_for_a_user_who_has_its_role_and_nothing_else() {
    for major in Major::BOTH {
        let done = every_verb(major, |model, verb| {
            let (dir, kubeconfig) = user(&model.namespace, verb, &granted(verb));
            (model.tool().kubeconfig(&kubeconfig), dir)
        });
        for Done { verb, expected, ran } in done {
            let lacks = ran.stdout.contains("may not") || ran.stderr.contains("may not");
            if verb == "plan" {
                // It could look at everything, and says that this user could not carry it out.
                assert!(lacks, "{}", ran.stdout);
                ran.expect_code(1);
            } else {
                assert!(!lacks, "{verb}: {}{}", ran.stdout, ran.stderr);
                ran.expect_code(expected);
            }
        }
    }
}

#[test]
fn the_plan_names_each_permission_that_is_missing() {
    let model = Model::crashed("missing", Major::Four);
    let all = granted("rollback");
    assert!(all.len() > 30, "{all:?}");
    let missing: Vec<_> = all.iter().cloned().enumerate().collect();
    let silent = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for some in missing.chunks(missing.len().div_ceil(4)) {
            let (model, all, silent) = (&model, &all, &silent);
            scope.spawn(move || {
                for (number, permission) in some {
                    let mut rest = all.clone();
                    rest.remove(permission);
                    let (_dir, kubeconfig) = user(&model.namespace, &format!("lacks-{number}"), &rest);
                    let ran = model.tool().kubeconfig(&kubeconfig).run(&["plan", RELEASE]);
                    let said = format!("{}{}", ran.stdout, ran.stderr);
                    let Permission { verb, resource, .. } = permission;
                    let named = [
                        format!("may not {verb} {resource}"),
                        format!("cannot {verb} resource \"{resource}\""),
                        format!("neither {resource} nor"),
                    ];
                    if !named.iter().any(|words| said.contains(words)) {
                        silent
                            .lock()
                            .unwrap()
                            .push(format!("{permission} (exit {}): {said}", ran.code));
                    }
                }
            });
        }
    });
    let silent = silent.into_inner().unwrap();
    assert!(
        silent.is_empty(),
        "{} are not named: {}",
        silent.len(),
        silent.join("\n")
    );
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn a_reader_is_refused_before_anything_changes() {
    let model = Model::crashed("reader", Major::Four);
    let (_dir, kubeconfig) = user(&model.namespace, "reader", &granted("read"));
    let tool = model.tool().kubeconfig(&kubeconfig);
    let refused = tool.rollback(RELEASE, &[]).expect_code(1);
    for missing in ["create leases", "patch services", "patch deployments", "create secrets"] {
        assert!(
            refused.stderr.contains(&format!("may not {missing}")),
            "{missing}: {}",
            refused.stderr
        );
    }
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}
