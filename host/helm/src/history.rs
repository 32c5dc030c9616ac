//! The history of a release, from its records' labels alone: no payload of up to 1 MB is read for it.

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::{ReleaseRef, ReleaseStatus, Revision, RevisionSummary};
use vllm_rollback_objects::record::RecordHeader;

/// Revisions in ascending numeric order (v9 before v10).
///
/// # Errors
/// `Invalid` that names the object, when a label is missing or garbled or two records claim one revision. Helm itself
/// skips such records silently and would then take another revision for the newest.
pub fn read_history(
    kind: &str,
    release: &ReleaseRef,
    headers: &[RecordHeader],
) -> Result<Vec<RevisionSummary>, Failure> {
    let mut found = Vec::with_capacity(headers.len());
    for header in headers {
        found.push(summary(header).map_err(|why| broken(kind, release, &header.object, why))?);
    }
    found.sort_by_key(|r| r.revision);
    for pair in found.windows(2) {
        if pair[0].revision == pair[1].revision {
            let why = format!("it has the same revision {} as {}", pair[0].revision, pair[0].record);
            return Err(broken(kind, release, &pair[1].record, why));
        }
    }
    Ok(found)
}

/// The command that shows it.
pub(crate) fn history_command(release: &ReleaseRef) -> String {
    format!("helm history {} -n {}", release.name, release.namespace)
}

/// The failure for a release without any record here.
pub fn unknown_release(release: &ReleaseRef, elsewhere: &[String]) -> Failure {
    let failure = Failure::not_found(format!(
        "no release {} in namespace {}",
        release.name, release.namespace
    ));
    match elsewhere {
        [] => failure.next("helm list -A"),
        [one] => failure
            .because(format!("a release of this name is in namespace {one}"))
            .next(format!("run the same command with -n {one}"))
            .next("helm list -A"),
        many => failure
            .because(format!("releases of this name are in namespaces {}", many.join(", ")))
            .next(format!(
                "run the same command with -n NAMESPACE, one of {}",
                many.join(", ")
            ))
            .next("helm list -A"),
    }
}

fn summary(header: &RecordHeader) -> Result<RevisionSummary, String> {
    let label = |key: &str| {
        header
            .labels
            .get(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("it has no label {key:?}"))
    };
    let version = label("version")?;
    let revision = match version.parse::<u32>() {
        Ok(number) if number > 0 => Revision(number),
        _ => return Err(format!("its label \"version\" is {version:?}, not a revision number")),
    };
    Ok(RevisionSummary {
        revision,
        status: ReleaseStatus::parse(label("status")?),
        record: header.object.clone(),
    })
}

fn broken(kind: &str, release: &ReleaseRef, object: &str, why: String) -> Failure {
    let get = kind.to_lowercase();
    Failure::invalid(format!("release record {kind}/{object} is broken"))
        .because(why)
        .next(format!(
            "kubectl get {get} {object} -n {} --show-labels",
            release.namespace
        ))
        .next(format!(
            "when it is no record of Helm's, move it away: kubectl label {get} {object} -n {} owner-",
            release.namespace
        ))
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    fn release() -> ReleaseRef {
        ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        }
    }

    fn header(object: &str, labels: &[(&str, &str)]) -> RecordHeader {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        RecordHeader {
            object: object.into(),
            labels,
        }
    }

    fn read(headers: &[RecordHeader]) -> Result<Vec<RevisionSummary>, Failure> {
        read_history("Secret", &release(), headers)
    }

    #[test]
    fn revisions_are_sorted_as_numbers() {
        let numbers = ["10", "9", "1"];
        let headers: Vec<_> = numbers
            .map(|n| header(n, &[("version", n), ("status", "superseded")]))
            .into();
        let sorted: Vec<u32> = read(&headers).unwrap().iter().map(|r| r.revision.0).collect();
        assert_eq!(sorted, [1, 9, 10]);
    }

    #[test]
    fn a_missing_or_garbled_label_is_named_with_its_object() {
        for (labels, named) in [
            (&[("status", "deployed")][..], "\"version\""),
            (&[("version", "7"), ("status", "")], "\"status\""),
            (&[("version", "seven"), ("status", "deployed")], "\"seven\""),
            (&[("version", "0"), ("status", "deployed")], "\"0\""),
            (&[("version", "-1"), ("status", "deployed")], "\"-1\""),
        ] {
            let failure = read(&[header("rec.v7", labels)]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Invalid);
            assert!(failure.to_string().contains("Secret/rec.v7"), "{failure}");
            assert!(failure.to_string().contains(named), "{failure}");
        }
    }

    #[test]
    fn two_records_of_one_revision_are_refused() {
        let labels = [("version", "2"), ("status", "deployed")];
        let failure = read(&[header("a", &labels), header("b", &labels)]).unwrap_err();
        assert!(failure.to_string().contains("same revision 2 as a"), "{failure}");
    }

    #[test]
    fn a_word_that_is_no_status_is_kept_as_unknown() {
        let found = read(&[header("a", &[("version", "2"), ("status", "glowing")])]).unwrap();
        assert_eq!(found[0].status, ReleaseStatus::Unknown);
    }

    #[test]
    fn an_unknown_release_is_told_with_where_it_is() {
        let failure = unknown_release(&release(), &["prod".to_owned()]);
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert_eq!(failure.next, ["run the same command with -n prod", "helm list -A"]);
        assert_eq!(unknown_release(&release(), &[]).next, ["helm list -A"]);
    }
}
