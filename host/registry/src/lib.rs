//! Registry drivers: how a model is taken out of traffic and put back as it was. One folder per driver, the same shape
//! in each: `mod.rs` implements the engine's port, `settings.rs` has its flags, its keys in the configuration and how it is made,
//! the other files are what it rests on. [`DriverName`] has a line for each.
//!
//! - [`service`]: the default, needs nothing but the cluster. The release's Services select no pod until released.
//! - [`postgres`]: the runbook's table, with an optional Redis cache and an optional proof at the router.
//! - [`exec`]: commands of the site's own tool.
//! - [`litellm`]: the deployments of a LiteLLM proxy.
//! - [`vllm_router`]: the worker lists of vllm-router's replicas.
//! - [`route`]: the weights of Gateway API routes.
//! - [`composite`]: more than one of them, in order.
//! - [`noop`]: traffic is left alone, and that is said loudly.

pub mod composite;
mod context;
mod driver_state;
mod drivers;
pub mod exec;
pub mod litellm;
pub mod noop;
pub mod postgres;
mod release_endpoints;
mod retained_pods;
pub mod route;
mod router;
pub mod service;
mod status;
pub mod vllm_router;

pub use composite::Composite;
pub use context::{DriverContext, DriverSettings};
pub use drivers::{DriverFlags, DriverKeys, DriverName, Drivers};
pub use exec::ExecRegistry;
pub use litellm::LiteLlm;
pub use noop::Noop;
pub use postgres::PostgresRegistry;
pub use route::RouteWeights;
pub use service::ServiceGate;
pub use status::Statuses;
pub use vllm_router::VllmRouter;
