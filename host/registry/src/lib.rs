//! Registry drivers: how a model is taken out of traffic and put back as it was. One folder per driver, the same shape
//! in each: `mod.rs` implements the engine's port, the other files are what it rests on.
//!
//! - [`service`]: the default, needs nothing but the cluster. The release's Services select no pod until released.
//! - [`postgres`]: the runbook's table, with an optional Redis cache and an optional proof at the router.
//! - [`exec`]: commands of the site's own tool.
//! - [`litellm`]: the deployments of a LiteLLM proxy.
//! - [`vllm_router`]: the worker lists of vllm-router's replicas.
//! - [`route`]: the weights of Gateway API routes.
//! - [`several`]: more than one of them, in order.
//! - [`none`]: traffic is left alone, and that is said loudly.

pub mod exec;
pub mod litellm;
pub mod none;
mod owner;
pub mod postgres;
pub mod route;
mod router;
pub mod service;
pub mod several;
mod spared;
mod status;
mod token;
pub mod vllm_router;

pub use exec::ExecRegistry;
pub use litellm::LiteLlm;
pub use none::Unmanaged;
pub use postgres::PostgresRegistry;
pub use route::RouteWeights;
pub use service::ServiceGate;
pub use several::Several;
pub use status::Statuses;
pub use vllm_router::VllmRouter;
