//! Containers that end.

use serde_json::Value;
use vllm_rollback_engine::workload::CauseReason;

use super::detected::{DetectedCause, MAY_HEAL, NEVER_HEALS};
use super::pod_text::{container_label, one_line, spec_of};
use crate::pods;

/// The last end of a container, and whether it is the previous run's.
fn ended(status: &Value) -> Option<(&Value, bool)> {
    let current = &status["state"]["terminated"];
    if !current.is_null() {
        return Some((current, false));
    }
    let last = &status["lastState"]["terminated"];
    (!last.is_null()).then_some((last, true))
}

fn is_init(pod: &Value, status: &Value) -> bool {
    let specs = pod["spec"]["initContainers"].as_array();
    specs.is_some_and(|all| all.iter().any(|spec| spec["name"] == status["name"]))
}

fn logs_command(pod: &Value, status: &Value, previous: bool) -> String {
    format!(
        "kubectl logs {} -c {} -n {}{}",
        pods::name(pod),
        status["name"].as_str().unwrap_or("?"),
        pods::namespace(pod),
        if previous { " --previous" } else { "" }
    )
}

pub(super) fn out_of_memory(pod: &Value, status: &Value) -> Option<DetectedCause> {
    let (end, previous) = ended(status)?;
    if end["reason"] != "OOMKilled" {
        return None;
    }
    let limit = spec_of(pod, &status["name"]).and_then(|s| s["resources"]["limits"]["memory"].as_str());
    let message = format!(
        "the container was killed for want of memory (exit code {}), {}",
        end["exitCode"].as_i64().unwrap_or(137),
        match limit {
            Some(limit) => format!("its limit is {limit}"),
            None => "it has no memory limit of its own".to_owned(),
        }
    );
    let container = container_label(pod, status);
    let seen = DetectedCause::new(CauseReason::OutOfMemory, container, message, NEVER_HEALS)
        .next("raise resources.limits.memory, or lower what the server needs (--max-model-len, --swap-space)")
        .next(logs_command(pod, status, previous))
        .logged(pod, status, previous);
    Some(seen)
}

/// A container that ended although it should run. One end may heal; a back-off or a second restart does not.
pub(super) fn crash(pod: &Value, status: &Value) -> Option<DetectedCause> {
    let (end, previous) = ended(status)?;
    let code = end["exitCode"].as_i64()?;
    let restarts = status["restartCount"].as_u64().unwrap_or(0);
    let backing_off = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    if is_init(pod, status) && code == 0 && !backing_off {
        return None;
    }
    let (ends, grace) = match (backing_off, restarts) {
        (true, _) => ("ends again and again", NEVER_HEALS),
        (false, 2..) => ("ended", NEVER_HEALS),
        (false, _) => ("ended", MAY_HEAL),
    };
    let reason = match end["reason"].as_str() {
        None | Some("Error" | "Completed") => String::new(),
        Some(reason) => format!(" ({reason})"),
    };
    let mut message = format!(
        "the container {ends} with exit code {code}{}{reason}, restarts {restarts}",
        meaning(code)
    );
    if let Some(text) = end["message"].as_str().filter(|t| !t.trim().is_empty()) {
        message.push_str(": ");
        message.push_str(&one_line(text));
    }
    let seen = DetectedCause::new(CauseReason::CrashLoop, container_label(pod, status), message, grace)
        .next(logs_command(pod, status, previous))
        .logged(pod, status, previous);
    Some(seen)
}

fn meaning(code: i64) -> &'static str {
    match code {
        0 => ", which a server gives when its engine died",
        126 => ", its command cannot be run",
        127 => ", its command does not exist",
        134 => ", it aborted itself",
        137 => ", it was killed",
        139 => ", it crashed on a memory fault",
        143 => ", it was asked to stop",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ml"},
            "spec": {"initContainers": [{"name": "init"}],
                "containers": [{"name": "vllm", "resources": {"limits": {"memory": "24Gi"}}}]},
            "status": {"containerStatuses": [status]}})
    }

    fn see(predicate: fn(&Value, &Value) -> Option<DetectedCause>, status: Value) -> Option<DetectedCause> {
        let pod = pod(status);
        predicate(&pod, &pod["status"]["containerStatuses"][0])
    }

    #[test]
    fn a_crash_loop_tells_the_exit_code_and_where_the_log_is() {
        let status = json!({"name": "vllm", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}});
        let seen = see(crash, status).unwrap();
        assert_eq!(seen.grace, NEVER_HEALS);
        assert!(seen.cause.message.contains("exit code 3"), "{}", seen.cause.message);
        assert!(seen.log_of.unwrap().previous);
    }

    #[test]
    fn a_first_end_may_heal_and_a_second_restart_does_not() {
        let running = |restarts: u32| {
            json!({"name": "vllm", "restartCount": restarts, "state": {"running": {}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}})
        };
        assert_eq!(see(crash, running(1)).unwrap().grace, MAY_HEAL);
        assert_eq!(see(crash, running(2)).unwrap().grace, NEVER_HEALS);
    }

    #[test]
    fn an_init_container_that_is_done_did_not_crash() {
        let done = json!({"name": "init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        assert_eq!(see(crash, done), None);
        let failed = json!({"name": "init", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}});
        assert!(see(crash, failed).is_some());
    }

    #[test]
    fn want_of_memory_is_told_with_the_limit() {
        let status = json!({"name": "vllm", "restartCount": 1, "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}});
        let seen = see(out_of_memory, status).unwrap();
        assert!(seen.cause.message.contains("24Gi"), "{}", seen.cause.message);
        assert_eq!(seen.grace, NEVER_HEALS);
    }

    #[test]
    fn a_server_that_never_ended_did_not_crash() {
        assert_eq!(see(crash, json!({"name": "vllm", "state": {"running": {}}})), None);
    }
}
