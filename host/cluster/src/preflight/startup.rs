//! How long the target may take to get ready, by its own probes.

use serde_json::Value;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::workload::Workload;

/// Scheduling and image pull.
const ALLOWANCE: u64 = 120;

/// Seconds for the slowest workload, pods in order where its controller starts them so.
pub(super) fn budget(manifest: &Manifest) -> u64 {
    let slowest = manifest.workloads().iter().map(of_workload).max().unwrap_or(0);
    slowest + ALLOWANCE
}

fn of_workload(workload: &Workload<'_>) -> u64 {
    let one = workload.containers().map(of_container).max().unwrap_or(0);
    let spec = &workload.object.json["spec"];
    let min_ready = spec["minReadySeconds"].as_u64().unwrap_or(0);
    let grace = workload.pod_spec()["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(30);
    let in_turn = if workload.object.kind == "StatefulSet" {
        workload.replicas().max(1)
    } else {
        1
    };
    (one + min_ready + grace).saturating_mul(in_turn)
}

/// The startup probe's time until the kubelet gives up, then the readiness probe's until it says yes. Without a startup
/// probe the liveness probe is what ends a slow start.
fn of_container(container: &Value) -> u64 {
    let startup = match &container["startupProbe"] {
        Value::Null => give_up(&container["livenessProbe"]),
        probe => give_up(probe),
    };
    startup.saturating_add(say_yes(&container["readinessProbe"]))
}

fn number(probe: &Value, key: &str, default: u64) -> u64 {
    probe[key].as_u64().unwrap_or(default)
}

fn give_up(probe: &Value) -> u64 {
    if probe.is_null() {
        return 0;
    }
    let tries = number(probe, "periodSeconds", 10).saturating_mul(number(probe, "failureThreshold", 3));
    number(probe, "initialDelaySeconds", 0)
        .saturating_add(tries)
        .saturating_add(number(probe, "timeoutSeconds", 1))
}

fn say_yes(probe: &Value) -> u64 {
    if probe.is_null() {
        return 0;
    }
    let tries = number(probe, "periodSeconds", 10).saturating_mul(number(probe, "successThreshold", 1).max(3));
    number(probe, "initialDelaySeconds", 0).saturating_add(tries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_startup_probe_sets_the_budget() {
        let container = json!({"startupProbe": {"initialDelaySeconds": 30, "periodSeconds": 10, "failureThreshold": 60},
            "readinessProbe": {"periodSeconds": 5}, "livenessProbe": {"failureThreshold": 1000}});
        assert_eq!(of_container(&container), 30 + 600 + 1 + 15);
    }

    #[test]
    fn without_a_startup_probe_the_liveness_probe_sets_it() {
        let container = json!({"livenessProbe": {"initialDelaySeconds": 300}});
        assert_eq!(of_container(&container), 300 + 30 + 1);
        assert_eq!(of_container(&json!({})), 0);
    }

    #[test]
    fn a_stateful_set_starts_its_pods_in_turn() {
        let text = |kind: &str| {
            format!(
                "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n  replicas: 3\n  template: {{spec: {{terminationGracePeriodSeconds: 10, containers: [{{name: c}}]}}}}\n"
            )
        };
        assert_eq!(
            budget(&Manifest::parse(&text("Deployment"), "ml").unwrap()),
            10 + ALLOWANCE
        );
        assert_eq!(
            budget(&Manifest::parse(&text("StatefulSet"), "ml").unwrap()),
            30 + ALLOWANCE
        );
    }
}
