//! The cluster: the only crate that knows Kubernetes.
//!
//! | module | concern |
//! |---|---|
//! | [`connect`] | from kubectl's flags to a cluster that answered |
//! | [`records`] | Helm's release records, by labels and one payload at a time |
//! | `endpoints` | what leads to a release, for registry drivers: Services, gates, pods, labels |
//! | [`gate`] | a key in a Service's selector that empties its endpoints, and the endpoints |
//! | [`pod_http`] | HTTP to a pod by port-forward, else by the API server's proxy |
//! | [`lease`] | one run at a time |
//! | [`journal_mirror`] | what later runs must know, in a ConfigMap |
//! | `routes` | Gateway API routes: backends, weights, and what gateways say of them |
//! | [`traffic_discovery`] | what seems to send the release traffic, by what is seen |
//! | [`workloads`] | the engine's port: preflight, drain, evidence, readiness with named causes, drift |
//! | `snapshot` | what checks may see: pods, events, log tails |

pub mod connect;
pub mod gate;
pub mod journal_mirror;
pub mod lease;
pub mod pod_http;
pub mod records;
pub mod traffic_discovery;
pub mod workloads;

mod api;
mod autoscaler;
mod causes;
mod drain;
mod drift;
mod endpoints;
mod events;
mod evidence;
mod gitops;
mod logs;
mod managed_fields;
mod mapping;
mod metrics;
mod pod_split;
mod pods;
mod preflight;
mod readiness;
mod release;
mod request_counters;
mod routes;
mod services;
mod serving;
mod snapshot;
mod view;

pub use api::RetryListener;
pub use connect::{Cluster, ConnectOptions};
pub use lease::ReleaseLock;
pub use release::CurrentRelease;
pub use workloads::ReleaseWorkloads;
