//! What helm's stderr means, when no new record shows it better.

use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ReleaseRef, Revision};

/// A known text of helm's, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmError {
    /// Sort of failure.
    pub kind: FailureKind,
    /// One line; helm's own words when they are not known.
    pub why: String,
    /// Commands to type next, best first.
    pub next: Vec<String>,
    /// Another Helm operation made a revision meanwhile.
    pub is_overtaken: bool,
}

/// Reads the meaning out of stderr. Texts of helm v3.22 and v4.3, matched loosely; warnings are not failures.
pub fn meaning(release: &ReleaseRef, to: Revision, stderr: &[String]) -> HelmError {
    let lines: Vec<&str> = stderr
        .iter()
        .map(String::as_str)
        .filter(|line| !is_warning(line))
        .collect();
    let all = lines.join("\n").to_lowercase();
    let has = |text: &str| all.contains(text);
    let ReleaseRef { namespace, name } = release;
    let history = format!("helm history {name} -n {namespace}");
    let known = |kind, why: String, next: Vec<String>| HelmError {
        kind,
        why,
        next,
        is_overtaken: false,
    };
    if has("cluster unreachable") || has("connection refused") || has("no such host") {
        let next = vec!["kubectl cluster-info".to_owned()];
        return known(
            FailureKind::Unreachable,
            "helm cannot reach the cluster".to_owned(),
            next,
        );
    }
    if has("forbidden") || has("unauthorized") {
        let next = vec![
            format!("kubectl auth can-i create secrets -n {namespace}"),
            said(&lines),
        ];
        return known(
            FailureKind::Forbidden,
            "the cluster does not let helm do it".to_owned(),
            next,
        );
    }
    if all.contains(&format!("release has no {to} version")) {
        let why = format!("revision {to} is gone: Helm keeps a limited history (--history-max)");
        return known(FailureKind::NotFound, why, vec![history]);
    }
    if has("release: not found") {
        let why = format!("helm finds no release {name} in namespace {namespace}, or no revision {to} of it");
        return known(FailureKind::NotFound, why, vec!["helm list -A".to_owned(), history]);
    }
    if has("release: already exists") || has("another operation") {
        let why = "another helm operation made a revision at the same time".to_owned();
        return HelmError {
            is_overtaken: true,
            ..known(FailureKind::Conflict, why, vec![history])
        };
    }
    if has("unable to build kubernetes objects") {
        let which = if has("from current release") {
            "the current revision"
        } else {
            "the target"
        };
        let why = format!(
            "the manifest of {which} has kinds that the cluster no longer serves: {}",
            said(&lines)
        );
        let next = vec![
            "helm plugin install https://github.com/helm/helm-mapkubeapis".to_owned(),
            history,
        ];
        return known(FailureKind::External, why, next);
    }
    if has("too long") || has("too large") {
        let why = format!(
            "the record of the rollback would be larger than the cluster stores, since the target's chart is nearly that large: {}",
            said(&lines)
        );
        let next = vec![
            "when --reason was given, run it again with a shorter one: it becomes part of the record".to_owned(),
            format!("else go forward with a smaller chart (.helmignore): helm upgrade {name} CHART -n {namespace}"),
        ];
        return known(FailureKind::External, why, next);
    }
    if has("conflict") {
        let why = format!(
            "another field manager owns fields that the target sets: {}",
            said(&lines)
        );
        let next = vec![format!("kubectl get all -n {namespace} --show-managed-fields -o yaml")];
        return known(FailureKind::Conflict, why, next);
    }
    if lines.is_empty() {
        return known(
            FailureKind::External,
            "helm said nothing on stderr".to_owned(),
            vec![history],
        );
    }
    known(FailureKind::External, said(&lines), vec![history])
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

    fn from_stderr(stderr: &str) -> HelmError {
        let release = ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        };
        meaning(
            &release,
            Revision(3),
            &stderr.lines().map(str::to_owned).collect::<Vec<_>>(),
        )
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
            let meaning = from_stderr(text);
            assert_eq!(meaning.kind, kind, "{text}");
            assert!(meaning.why.contains(named), "{meaning:?}");
            assert!(!meaning.next.is_empty());
        }
    }

    #[test]
    fn warnings_are_passed_over() {
        let meaning = from_stderr("level=WARN msg=\"conflict ahead\"\nW1124 06:35:28 x.go:1 forbidden\nError: real\n");
        assert_eq!(meaning.why, "helm said: real");
    }
}
