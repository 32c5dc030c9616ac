//! What the picture of the pods says.

use vllm_rollback_plugin::{Container, Measurement, PodStatus, Verdict};

use crate::Parameters;

/// The release's pods, sorted by what they mean for serving.
pub(crate) struct Picture<'a> {
    /// Pods of the target revision that are meant to serve.
    pub(crate) serving: Vec<&'a PodStatus>,
    /// Pods of another revision that may still answer requests.
    pub(crate) foreign: Vec<&'a PodStatus>,
    /// Pods that do not count: terminating, finished, or of a hook.
    pub(crate) ignored: Vec<&'a PodStatus>,
}

impl<'a> Picture<'a> {
    pub(crate) fn new(pods: &'a [PodStatus]) -> Self {
        let mut picture = Self {
            serving: Vec::new(),
            foreign: Vec::new(),
            ignored: Vec::new(),
        };
        for pod in pods {
            // An evicted pod stays behind as `Failed` while its workload has long replaced it.
            let over = pod.terminating || matches!(pod.phase.as_str(), "Succeeded" | "Failed");
            // A pod of no revision belongs to a hook or a job; the runbook's chart gives it the serving pods' labels.
            let of_no_revision = !pod.of_target && pod.revision_hash.is_empty();
            match pod {
                _ if over || of_no_revision => picture.ignored.push(pod),
                pod if pod.of_target => picture.serving.push(pod),
                pod => picture.foreign.push(pod),
            }
        }
        picture
    }

    /// Passes when all serving pods are as they should be; else fails with the first problem as summary, all as evidence.
    pub(crate) fn evaluate(&self, revision: u32, parameters: &Parameters) -> Result<Verdict, Verdict> {
        let mut problems = Vec::new();
        if self.serving.is_empty() {
            problems.push(format!("revision {revision} has no pod"));
        }
        problems.extend(self.serving.iter().filter_map(|pod| not_serving(pod)));
        problems.extend(self.serving.iter().filter_map(|pod| restarted_lately(pod, parameters)));
        problems.extend(self.foreign.iter().map(|pod| {
            format!(
                "pod {} of another revision ({}) is {} and not terminating",
                pod.name, pod.revision_hash, pod.phase
            )
        }));

        let ready = self.serving.iter().filter(|pod| pod.ready).count();
        let restarts: u32 = self.serving.iter().map(|pod| restarts(pod)).sum();
        let verdict = match problems.first() {
            Some(problem) => Verdict::fail(problem).evidence_lines(&problems),
            None => Verdict::pass(format!(
                "{ready} of {} pods of revision {revision} are running and ready, {restarts} restarts",
                self.serving.len()
            )),
        };
        let shown = self.serving.iter().map(|pod| describe(pod));
        let ignored = self.ignored.iter().map(|pod| format!("not counted: {}", describe(pod)));
        let verdict = verdict
            .evidence_lines(shown)
            .evidence_lines(ignored)
            .measured(Measurement::new("pods-ready", count(ready), "1").held_against(count(self.serving.len())))
            .measured(Measurement::new("restarts", restarts.into(), "1"));
        if problems.is_empty() { Ok(verdict) } else { Err(verdict) }
    }
}

/// Numbers of pods are small: the conversion is exact.
fn count(number: usize) -> f64 {
    u32::try_from(number).unwrap_or(u32::MAX).into()
}

fn restarts(pod: &PodStatus) -> u32 {
    pod.containers.iter().map(|container| container.restarts).sum()
}

fn not_serving(pod: &PodStatus) -> Option<String> {
    if pod.phase == "Running" && pod.ready {
        return None;
    }
    let state = if pod.phase == "Running" {
        "not ready"
    } else {
        pod.phase.as_str()
    };
    let causes: Vec<_> = pod
        .containers
        .iter()
        .filter(|container| !container.ready)
        .map(cause)
        .collect();
    Some(format!("pod {} is {state}: {}", pod.name, causes.join("; ")))
}

/// `container vllm is waiting (CrashLoopBackOff), exit code 1`.
fn cause(container: &Container) -> String {
    let reason = if container.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", container.reason)
    };
    let exit = container
        .exit_code
        .map(|code| format!(", exit code {code}"))
        .unwrap_or_default();
    format!("container {} is {}{reason}{exit}", container.name, container.state)
}

/// The picture has no time of the last restart, but a young pod's restarts are all young.
///
/// The exit code does not matter: vLLM exits with 0 when its engine died.
fn restarted_lately(pod: &PodStatus, parameters: &Parameters) -> Option<String> {
    let worst = pod.containers.iter().max_by_key(|container| container.restarts)?;
    if pod.age_seconds > parameters.restart_window_s || worst.restarts <= parameters.max_recent_restarts {
        return None;
    }
    let exit = worst
        .exit_code
        .map(|code| format!(", last exit code {code}"))
        .unwrap_or_default();
    Some(format!(
        "container {} of {} restarted {} times in the {} s since the pod was created{exit}",
        worst.name, pod.name, worst.restarts, pod.age_seconds
    ))
}

fn describe(pod: &PodStatus) -> String {
    let ready = if pod.ready { "ready" } else { "not ready" };
    let ending = if pod.terminating { ", terminating" } else { "" };
    let hash = if pod.revision_hash.is_empty() {
        "no revision"
    } else {
        pod.revision_hash.as_str()
    };
    format!(
        "{} ({hash}): {}, {ready}{ending}, {} restarts, {} s old",
        pod.name,
        pod.phase,
        restarts(pod),
        pod.age_seconds
    )
}

/// The first container which restarted between two pictures, or the pod that went away.
pub(crate) fn risen(before: &[PodStatus], after: &[PodStatus]) -> Option<String> {
    for old in Picture::new(before).serving {
        let Some(new) = after.iter().find(|pod| pod.uid == old.uid && !pod.terminating) else {
            return Some(format!("pod {} went away during the check", old.name));
        };
        for container in &new.containers {
            let was = old.containers.iter().find(|other| other.name == container.name);
            if was.is_some_and(|was| was.restarts < container.restarts) {
                return Some(format!(
                    "container {} of {} restarted during the check",
                    container.name, new.name
                ));
            }
        }
        if !new.ready {
            return Some(format!("pod {} stopped being ready during the check", new.name));
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use vllm_rollback_plugin::Outcome;

    use super::*;

    pub(crate) fn pod(name: &str) -> PodStatus {
        PodStatus {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            revision_hash: "aaa".to_owned(),
            of_target: true,
            phase: "Running".to_owned(),
            ready: true,
            terminating: false,
            containers: vec![Container {
                name: "vllm".to_owned(),
                image: "vllm".to_owned(),
                ready: true,
                restarts: 0,
                state: "running".to_owned(),
                reason: String::new(),
                exit_code: None,
                extra: Vec::new(),
            }],
            age_seconds: 30,
            extra: Vec::new(),
        }
    }

    pub(crate) fn restarted(mut pod: PodStatus, times: u32, exit_code: i32) -> PodStatus {
        pod.containers[0].restarts = times;
        pod.containers[0].exit_code = Some(exit_code);
        pod
    }

    fn evaluate(pods: &[PodStatus]) -> Verdict {
        Picture::new(pods)
            .evaluate(3, &Parameters::default())
            .unwrap_or_else(|verdict| verdict)
    }

    fn failure(pods: &[PodStatus]) -> String {
        let verdict = evaluate(pods);
        assert_eq!(verdict.outcome, Outcome::Fail, "{verdict:?}");
        verdict.summary
    }

    #[test]
    fn no_pod_at_all_fails() {
        assert_eq!(failure(&[]), "revision 3 has no pod");
    }

    #[test]
    fn a_crash_loop_is_named_with_its_exit_code() {
        let mut crashing = restarted(pod("a"), 5, 1);
        crashing.ready = false;
        let container = &mut crashing.containers[0];
        (container.ready, container.state, container.reason) =
            (false, "waiting".to_owned(), "CrashLoopBackOff".to_owned());
        assert_eq!(
            failure(&[crashing]),
            "pod a is not ready: container vllm is waiting (CrashLoopBackOff), exit code 1"
        );
    }

    #[test]
    fn another_revision_that_still_runs_fails() {
        let old = PodStatus {
            of_target: false,
            revision_hash: "bbb".to_owned(),
            ..pod("old")
        };
        assert_eq!(
            failure(&[pod("a"), old]),
            "pod old of another revision (bbb) is Running and not terminating"
        );
    }

    #[test]
    fn another_revision_that_is_leaving_and_a_hook_pod_are_shown_but_not_counted() {
        let leaving = PodStatus {
            of_target: false,
            revision_hash: "bbb".to_owned(),
            terminating: true,
            ..pod("old")
        };
        let hook = PodStatus {
            of_target: false,
            revision_hash: String::new(),
            ready: false,
            ..pod("hook")
        };
        let evicted = PodStatus {
            phase: "Failed".to_owned(),
            ready: false,
            ..pod("evicted")
        };
        let verdict = evaluate(&[pod("a"), leaving, hook, evicted]);
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        assert_eq!(
            verdict
                .evidence
                .iter()
                .filter(|line| line.starts_with("not counted: "))
                .count(),
            3
        );
    }

    #[test]
    fn a_young_pod_must_not_have_restarted_even_with_exit_code_0() {
        assert_eq!(
            failure(&[restarted(pod("a"), 2, 0)]),
            "container vllm of a restarted 2 times in the 30 s since the pod was created, last exit code 0"
        );
    }

    #[test]
    fn an_old_pods_restarts_are_shown_and_accepted() {
        let old = PodStatus {
            age_seconds: 86_400,
            ..restarted(pod("a"), 2, 137)
        };
        let verdict = evaluate(&[old]);
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert!(verdict.evidence[0].contains("2 restarts"), "{verdict:?}");
    }

    #[test]
    fn a_pod_that_is_replaced_or_stops_being_ready_while_we_look_is_noticed() {
        let before = [pod("a")];
        assert_eq!(risen(&before, &before), None);
        assert_eq!(risen(&before, &[pod("b")]).unwrap(), "pod a went away during the check");
        let unready = PodStatus {
            ready: false,
            ..pod("a")
        };
        assert_eq!(
            risen(&before, &[unready]).unwrap(),
            "pod a stopped being ready during the check"
        );
    }
}
