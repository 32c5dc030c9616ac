//! What helm's stderr means, when no new record shows it better.

use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::{ReleaseRef, Revision, RollbackOutcome};

use crate::history::history_command;

/// Reads out of stderr why no new record was made: `what`, explained, helm's own words where they are not known. Texts of
/// helm v3.22 and v4.3, matched loosely; warnings are not failures.
pub(crate) fn explain(what: &str, release: &ReleaseRef, to: Revision, stderr: &[String]) -> RollbackOutcome {
    let lines: Vec<&str> = stderr
        .iter()
        .map(String::as_str)
        .filter(|line| !is_warning(line))
        .collect();
    let all = lines.join("\n").to_lowercase();
    let has = |text: &str| all.contains(text);
    let ReleaseRef { namespace, name } = release;
    let history = history_command(release);
    let known = |kind, why: &str| Failure::new(kind, what).because(why);
    let failure = if has("cluster unreachable") || has("connection refused") || has("no such host") {
        known(FailureKind::Unreachable, "helm cannot reach the cluster").next("kubectl cluster-info")
    } else if has("forbidden") || has("unauthorized") {
        known(FailureKind::Forbidden, "the cluster does not let helm do it")
            .next(format!("kubectl auth can-i create secrets -n {namespace}"))
            .next(said(&lines))
    } else if has(&format!("release has no {to} version")) {
        let why = format!("revision {to} is gone: Helm keeps a limited history (--history-max)");
        known(FailureKind::NotFound, &why).next(history)
    } else if has("release: not found") {
        let why = format!("helm finds no release {name} in namespace {namespace}, or no revision {to} of it");
        known(FailureKind::NotFound, &why).next("helm list -A").next(history)
    } else if has("release: already exists") || has("another operation") {
        let why = "another helm operation made a revision at the same time";
        return RollbackOutcome::Overtaken(known(FailureKind::Conflict, why).next(history));
    } else if has("unable to build kubernetes objects") {
        let which = if has("from current release") {
            "the current revision"
        } else {
            "the target"
        };
        let why = format!(
            "the manifest of {which} has kinds that the cluster no longer serves: {}",
            said(&lines)
        );
        known(FailureKind::External, &why)
            .next("helm plugin install https://github.com/helm/helm-mapkubeapis")
            .next(history)
    } else if has("too long") || has("too large") {
        let why = format!(
            "the record of the rollback would be larger than the cluster stores, since the target's chart is nearly that large: {}",
            said(&lines)
        );
        known(FailureKind::External, &why)
            .next("when --reason was given, run it again with a shorter one: it becomes part of the record")
            .next(format!(
                "else go forward with a smaller chart (.helmignore): helm upgrade {name} CHART -n {namespace}"
            ))
    } else if has("conflict") {
        let why = format!(
            "another field manager owns fields that the target sets: {}",
            said(&lines)
        );
        known(FailureKind::Conflict, &why).next(format!("kubectl get all -n {namespace} --show-managed-fields -o yaml"))
    } else if lines.is_empty() {
        known(FailureKind::External, "helm said nothing on stderr").next(history)
    } else {
        known(FailureKind::External, &said(&lines)).next(history)
    };
    RollbackOutcome::NotRecorded(failure)
}

/// Helm 4 logs `level=WARN msg=…` also on success.
fn is_warning(line: &str) -> bool {
    let marked = ["level=WARN", "level=INFO", "level=DEBUG", "WARNING:"]
        .iter()
        .any(|mark| line.contains(mark));
    // klog: `W1124 06:35:28.000000 …`
    let klog = line
        .strip_prefix('W')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    marked || klog
}

fn said(lines: &[&str]) -> String {
    let last = lines
        .iter()
        .rev()
        .find(|line| line.starts_with("Error:"))
        .or(lines.last());
    format!(
        "helm said: {}",
        last.map_or("nothing", |line| line.trim_start_matches("Error:").trim())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_stderr(stderr: &str) -> Failure {
        let release = ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        };
        let lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
        match explain("no new revision", &release, Revision(3), &lines) {
            RollbackOutcome::NotRecorded(failure) | RollbackOutcome::Overtaken(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn known_texts_are_explained() {
        for (text, kind, named) in [
            ("Error: release: not found", FailureKind::NotFound, "namespace ml"),
            (
                "Error: release has no 3 version",
                FailureKind::NotFound,
                "revision 3 is gone",
            ),
            (
                "Error: release: already exists",
                FailureKind::Conflict,
                "another helm operation",
            ),
            (
                "Error: Kubernetes cluster unreachable: Get x",
                FailureKind::Unreachable,
                "reach",
            ),
            (
                "Error: kubernetes cluster unreachable: Get x",
                FailureKind::Unreachable,
                "reach",
            ),
            (
                "Error: unable to build kubernetes objects from current release manifest: no matches for kind \"X\"",
                FailureKind::External,
                "current revision has kinds",
            ),
            (
                "Error: conflict occurred while applying object: Apply failed with 1 conflict",
                FailureKind::Conflict,
                "field manager",
            ),
            (
                "Error: secrets is forbidden: User \"x\" cannot list",
                FailureKind::Forbidden,
                "does not let",
            ),
            (
                "Error: create: failed to create: Secret \"x\" is invalid: data: Too long: may not be more than 1048576 bytes",
                FailureKind::External,
                "larger than the cluster stores",
            ),
            ("Error: something new", FailureKind::External, "something new"),
            ("", FailureKind::External, "nothing"),
        ] {
            let failure = from_stderr(text);
            assert_eq!(failure.kind, kind, "{text}");
            assert!(failure.why[0].contains(named), "{failure:?}");
            assert!(!failure.next.is_empty());
        }
    }

    #[test]
    fn warnings_are_passed_over() {
        let failure = from_stderr("level=WARN msg=\"conflict ahead\"\nW1124 06:35:28 x.go:1 forbidden\nError: real\n");
        assert_eq!(failure.why, ["helm said: real"]);
    }
}
