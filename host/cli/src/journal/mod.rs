//! Journals: kept durably on this machine; the state that later runs need also in the cluster.

pub(crate) mod dir;
pub(crate) mod local;
pub(crate) mod mirrored;
pub(crate) mod record;
