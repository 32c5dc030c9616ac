//! Every trait through which our crates speak to the world, on one page.
//!
//! | page | who asks | who answers |
//! |---|---|---|
//! | [`run`] | the states of a run, `helm` for its records, `cli` for the journal | `helm`, `cluster`, `registry`, `plugins`, `cli`, `report` |
//! | [`drivers`] | registry drivers | `cluster`; `cli` for routers at a URL |
//! | [`checks`] | the sandbox of checks | `cluster`, `registry` |

pub mod checks;
pub mod drivers;
pub mod run;

pub use run::*;
