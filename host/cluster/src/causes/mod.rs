//! Why pods are not ready: pure predicates over objects and events, one file for each sort of cause.

mod crash;
mod create;
mod detected;
mod image;
mod pod;
mod pod_text;
mod probe;
mod rollout;
mod schedule;

pub(crate) use detected::DetectedCause;
pub(crate) use rollout::of_workload;
