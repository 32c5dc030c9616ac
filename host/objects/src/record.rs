//! A release record's object, without its payload.

use std::collections::BTreeMap;

/// Labels of one record as they are: whether they make sense is for their reader to say, so that none is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Name of the Secret or ConfigMap: `sh.helm.release.v1.<release>.v<revision>`.
    pub object: String,
    /// All its labels. Helm's own are `name`, `owner`, `status`, `version`, `createdAt`, `modifiedAt`
    /// (helm v4.3 `pkg/storage/driver/util.go`).
    pub labels: BTreeMap<String, String>,
}
