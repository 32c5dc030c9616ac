//! The run: plan, state machine, journal, and the ports through which it speaks to the world.
//!
//! ```text
//! planned → locked → fenced → rolled-back → ready → validated → unfenced → confirmed → done
//!              └──────────────── any failure ────────────────→ held | unchanged | unknown
//! ```
//!
//! Nothing here does I/O: Helm, Kubernetes, registries, checks, the clock and the journal's storage are traits in
//! [`ports`], and the crates beside this one implement them.

pub mod check;
pub mod event;
pub mod failure;
pub mod journal;
pub mod plan;
pub mod ports;
pub mod release;
pub mod report;
pub mod traffic;
pub mod workload;
