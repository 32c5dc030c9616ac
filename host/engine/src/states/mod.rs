//! The states of a run, one file each.

pub(crate) mod confirmed;
pub(crate) mod done;
pub(crate) mod evidence;
pub(crate) mod fenced;
pub(crate) mod held;
pub(crate) mod locked;
pub(crate) mod planned;
pub(crate) mod ready;
pub(crate) mod retain;
pub(crate) mod rolled_back;
pub(crate) mod unchanged;
pub(crate) mod unfenced;
pub(crate) mod unknown;
pub(crate) mod validated;
