//! Settings of the driver: routes outside the release's namespace.

use async_trait::async_trait;
use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;

use super::RouteWeights;
use super::name::RouteName;
use crate::context::{DriverContext, DriverSettings};

/// The driver's flags.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// A route that leads to the model beside those in its namespace; KIND is httproute or aigatewayroute; repeatable
    #[arg(long, value_name = "[KIND/][NAMESPACE/]NAME")]
    route: Vec<RouteName>,
}

/// Routes that are named.
#[derive(Debug)]
pub(crate) struct Settings {
    named: Vec<RouteName>,
}

impl Flags {
    /// Any of them is given.
    pub(crate) fn are_given(&self) -> bool {
        !self.route.is_empty()
    }
}

impl Settings {
    /// Those of the flags, else of the configuration.
    pub(crate) fn new(flags: &Flags, keys: &[RouteName]) -> Self {
        let named = if flags.are_given() { &flags.route } else { keys };
        Self { named: named.to_vec() }
    }
}

#[async_trait]
impl DriverSettings for Settings {
    async fn make(&self, session: &DriverContext) -> Result<Box<dyn Registry>, Failure> {
        let release = &session.release;
        Ok(Box::new(RouteWeights {
            release: release.clone(),
            routes: session.routes.clone(),
            named: self
                .named
                .iter()
                .map(|name| name.seen_from(&release.namespace))
                .collect(),
            endpoints: session.endpoints.clone(),
            client: session.needed_router()?,
            model: session.model().await?,
        }))
    }
}
