//! Decodes a release record: base64, gzip, JSON (helm v4.3 `pkg/storage/driver/util.go`, the same in v3).

mod envelope;
mod json;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::{ReleaseRecord, ReleaseRef, Revision};

pub use envelope::{INFLATED_CAP, unwrap_payload};

use crate::history::history_command;

/// Characters of a foreign name that are shown: longer than any that Helm allows.
const SHOWN: usize = 60;

/// The object that holds a record, and what its labels promise of it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// `Secret` or `ConfigMap`.
    pub kind: &'a str,
    /// Name.
    pub object: &'a str,
    /// The release it was listed for.
    pub release: &'a ReleaseRef,
    /// The revision its labels name.
    pub revision: Revision,
}

/// Decodes a payload and checks that it is the record its object claims to be.
///
/// # Errors
/// `Invalid` that names the object and the layer that is broken. Of the payload only the start of a foreign name is in the text.
pub fn decode(origin: Origin<'_>, payload: &[u8]) -> Result<ReleaseRecord, Failure> {
    let text = unwrap_payload(payload).map_err(|why| broken(origin, why))?;
    let record = json::parse(&text).map_err(|why| broken(origin, why))?;
    for (field, said, wanted) in [
        ("name", &record.release.name, &origin.release.name),
        ("namespace", &record.release.namespace, &origin.release.namespace),
        ("revision", &record.revision.to_string(), &origin.revision.to_string()),
    ] {
        if said != wanted {
            let start: String = said.chars().take(SHOWN).collect();
            let why = format!("the record inside says {field} {start:?}, its object {wanted:?}");
            return Err(broken(origin, why));
        }
    }
    Ok(record)
}

fn broken(origin: Origin<'_>, why: String) -> Failure {
    let Origin {
        kind,
        object,
        release,
        revision,
    } = origin;
    Failure::invalid(format!(
        "the record of revision {revision} in {kind}/{object} cannot be read"
    ))
    .because(why)
    .next(format!(
        "name another revision; list them with: {}",
        history_command(release)
    ))
    .next(format!(
        "restore the object from a backup, or remove it: kubectl delete {} {object} -n {}",
        kind.to_lowercase(),
        release.namespace
    ))
}

#[cfg(test)]
mod tests;
