//! Which pods run what a revision asks for, while another one is being rolled out.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::PodSplit;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::workload::Workload;

use crate::connect::Cluster;
use crate::serving::serving;
use crate::view::LiveWorkload;
use crate::{pods, view};

/// The pods of the manifest's serving workloads, told apart by the ReplicaSet that they came from. Workloads other than
/// Deployments replace pods under the same names, so none of theirs counts as good.
pub(crate) async fn split_pods(cluster: &Cluster, target: &Manifest) -> Result<PodSplit, Failure> {
    let live = view::read_all(cluster, &target.serving_workloads()).await?;
    Ok(among(target, &live))
}

/// As [`split_pods`], among workloads that were read already.
pub(crate) fn among(target: &Manifest, live: &[LiveWorkload]) -> PodSplit {
    let mut found = PodSplit::default();
    for (workload, live) in view::among(live, &target.serving_workloads()) {
        sort(&mut found, workload, live, target.serving_port(workload));
    }
    found
}

fn sort(found: &mut PodSplit, workload: &Workload<'_>, live: &LiveWorkload, port: u16) {
    let set = revision_that_runs(&workload.object.json["spec"]["template"], live);
    for pod in live.pods.iter().filter(|pod| pods::is_standing(pod)) {
        let runs_it = set.is_some() && pods::controller_uid(pod) == set;
        let list = if runs_it && pods::is_ready(pod) {
            &mut found.good
        } else {
            &mut found.others
        };
        list.push(serving(pod, port));
    }
}

/// UID of the one ReplicaSet whose pods run this template. Where two differ only in what the template leaves open, nobody can
/// tell which one it is.
fn revision_that_runs<'l>(template: &Value, live: &'l LiveWorkload) -> Option<&'l str> {
    let has_pods = |set: &&Value| {
        let uid = Some(pods::uid(set));
        live.pods.iter().any(|pod| pods::controller_uid(pod) == uid)
    };
    let mut running = live.revisions_of(template).filter(has_pods);
    let first = running.next()?;
    running.next().is_none().then(|| pods::uid(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(uid: &str, image: &str, env: &[&str]) -> Value {
        let env: Vec<Value> = env.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        json!({
            "metadata": {"uid": uid, "ownerReferences": [{"controller": true, "uid": "d"}]},
            "spec": {"template": {
                "metadata": {"labels": {"app": "x", "pod-template-hash": uid}},
                "spec": {"containers": [{"name": "vllm", "image": image, "env": env, "terminationMessagePath": "/dev/x"}]},
            }},
        })
    }

    fn pod(set: &str, ready: bool) -> Value {
        let status = if ready { "True" } else { "False" };
        json!({
            "metadata": {"name": format!("{set}-{ready}"), "uid": format!("{set}-{ready}"),
                "ownerReferences": [{"controller": true, "uid": set}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]},
        })
    }

    fn sorted(sets: Vec<Value>, pods: Vec<Value>) -> (Vec<String>, Vec<String>) {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {app: x}}\n  \
                    template: {metadata: {labels: {app: x}}, spec: {containers: [{name: vllm, image: good, env: [{name: A, value: '1'}]}]}}\n";
        let manifest = Manifest::parse(text, "ml").unwrap();
        let workload = &manifest.serving_workloads()[0];
        let object = json!({"metadata": {"uid": "d"}});
        let live = LiveWorkload::assemble(workload.kind, "Deployment/d".into(), object, sets, pods);
        let mut found = PodSplit::default();
        sort(&mut found, workload, &live, 8000);
        let names =
            |pods: Vec<vllm_rollback_engine::workload::ServingPod>| pods.into_iter().map(|pod| pod.name).collect();
        (names(found.good), names(found.others))
    }

    #[test]
    fn ready_pods_of_the_targets_template_are_good_and_no_others() {
        let sets = vec![set("old", "good", &["A"]), set("new", "bad", &["A"])];
        let pods = vec![pod("old", true), pod("old", false), pod("new", true)];
        let (good, others) = sorted(sets, pods);
        assert_eq!(good, ["old-true"]);
        assert_eq!(others, ["old-false", "new-true"]);
    }

    #[test]
    fn a_variable_that_another_revision_left_makes_it_another_template() {
        assert!(
            sorted(vec![set("old", "good", &["A", "LEFT"])], vec![pod("old", true)])
                .0
                .is_empty()
        );
    }

    #[test]
    fn two_templates_that_both_fit_are_none() {
        let sets = vec![set("one", "good", &["A"]), set("two", "good", &["A"])];
        assert!(sorted(sets, vec![pod("one", true), pod("two", true)]).0.is_empty());
    }
}
