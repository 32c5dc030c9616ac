//! The run: plan, state machine, journal, and the ports through which it speaks to the world.
//!
//! ```text
//! planned → locked → fenced → rolled-back → ready → validated → unfenced → confirmed → done
//!              └──────────────── any failure ────────────────→ held | unchanged | unknown
//! ```
//!
//! Nothing here does I/O: Helm, Kubernetes, registries, checks, the clock and the journal's storage are traits in
//! [`ports`], and the crates beside this one implement them.

mod abort;
pub mod check;
mod closing;
mod context;
mod current_record;
pub mod event;
pub mod failure;
mod gitops;
pub mod journal;
mod ledger;
pub mod plan;
pub mod ports;
mod progress;
pub mod release;
pub mod replay;
pub mod report;
pub mod request;
pub mod resume;
mod run;
mod run_checks;
mod set_traffic;
mod states;
mod step_error;
pub mod target;
pub mod traffic;
mod unlock;
mod validate;
mod wait;
pub mod workload;
mod write_ahead;
mod write_error;

pub use abort::abort;
pub use current_record::CurrentRecord;
pub use run::rollback;
pub use set_traffic::{TrafficAction, set_traffic};
pub use states::planned::{plan, refusal};
pub use states::retain::validate_retained;
pub use unlock::unlock;
pub use validate::validate;
pub use write_error::WriteError;
