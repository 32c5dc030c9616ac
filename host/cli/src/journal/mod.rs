//! Where the journal is kept: durably on this machine, and what later runs must know also in the cluster.

pub(crate) mod dir;
pub(crate) mod local;
pub(crate) mod mirrored;
pub(crate) mod record;
