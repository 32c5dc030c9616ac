//! Where the journal is kept: durably on this machine, and what later runs must know also in the cluster.

pub(crate) mod kept;
pub(crate) mod line;
pub(crate) mod local;
pub(crate) mod place;
