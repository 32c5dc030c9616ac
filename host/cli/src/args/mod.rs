//! Groups of flags that several verbs share.

pub(crate) mod argv;
pub(crate) mod change;
pub(crate) mod checks;
pub(crate) mod connection;
pub(crate) mod look;
pub(crate) mod output;
pub(crate) mod request;
pub(crate) mod site;
pub(crate) mod target;
pub(crate) mod traffic;
