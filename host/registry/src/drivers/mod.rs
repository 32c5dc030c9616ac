//! The drivers by name. One folder each, the same shape in all: `mod.rs` implements the engine's port, `settings.rs` has the
//! flags, the keys of the configuration and the making, the other files are what it rests on.
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
pub mod exec;
pub mod litellm;
pub mod noop;
pub mod postgres;
pub mod route;
pub mod service;
pub mod vllm_router;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_settings::{Env, keys};

use crate::context::{DriverContext, DriverSettings};
use composite::Composite;
use route::RouteName;

/// Names of the ways in which a model is taken out of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverName {
    /// The release's Services select no pod until the model is let back
    #[default]
    Service,
    /// The registry table of the runbook
    Postgres,
    /// A tool of the site; its commands are in the configuration
    Exec,
    /// The deployments of a LiteLLM proxy
    Litellm,
    /// The worker lists of a vllm-router's replicas
    VllmRouter,
    /// The weights of Gateway API routes
    Route,
    /// Nothing: clients reach the model during the whole rollback
    None,
}

/// Flags that say which drivers, and what to each.
#[derive(Debug, Clone, Default, Args)]
pub struct DriverFlags {
    /// Driver that takes the model out of traffic [default: service]; several with commas, the outermost first
    #[arg(long, value_enum, value_name = "DRIVER", value_delimiter = ',')]
    pub registry: Vec<DriverName>,
    /// Those of the runbook's table.
    #[command(flatten)]
    pub postgres: postgres::Flags,
    /// Those of routes.
    #[command(flatten)]
    pub route: route::Flags,
}

/// `registry:` in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriverKeys {
    /// Names, in order.
    #[serde(deserialize_with = "names")]
    pub driver: Vec<DriverName>,
    /// The runbook's table.
    pub postgres: postgres::Keys,
    /// The routers' cache beside that table.
    pub redis: postgres::CacheKeys,
    /// The site's own tool.
    pub exec: exec::Keys,
    /// Routes beside those of the release's namespace.
    #[serde(deserialize_with = "keys::parsed_list")]
    pub routes: Vec<RouteName>,
}

/// The drivers of a session, at least one, the outermost first.
#[derive(Debug, Clone)]
pub struct Drivers(Vec<(DriverName, Arc<dyn DriverSettings>)>);

impl DriverName {
    /// Reads what flags, keys and environment say to this driver.
    fn settings(self, flags: &DriverFlags, keys: &DriverKeys, env: &Env) -> Result<Arc<dyn DriverSettings>, Failure> {
        Ok(match self {
            Self::Service => Arc::new(service::Settings),
            Self::Postgres => Arc::new(postgres::Settings::new(
                &flags.postgres,
                &keys.postgres,
                &keys.redis,
                env,
            )?),
            Self::Exec => Arc::new(exec::Settings::new(&keys.exec, env)?),
            Self::Litellm => Arc::new(litellm::Settings),
            Self::VllmRouter => Arc::new(vllm_router::Settings),
            Self::Route => Arc::new(route::Settings::new(&flags.route, &keys.routes)),
            Self::None => Arc::new(noop::Settings),
        })
    }

    /// Cannot work unless it is said where the router is.
    fn needs_router(self) -> bool {
        matches!(self, Self::Litellm | Self::VllmRouter | Self::Route)
    }
}

/// As on the command line.
impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl DriverFlags {
    /// Refuses secrets on the command line.
    ///
    /// # Errors
    /// Usage, naming the flags that are safe, and never the value.
    pub fn assert_no_secret(&self) -> Result<(), Failure> {
        self.postgres.assert_no_secret()
    }

    /// Refuses flags of drivers that are not used.
    fn assert_used(&self, drivers: &[DriverName]) -> Result<(), Failure> {
        if self.postgres.are_given() && !drivers.contains(&DriverName::Postgres) {
            return Err(
                Failure::usage("flags for a database or its cache are given, but the registry is another one")
                    .next("select the database: --registry postgres")
                    .next("or leave out --postgres-… and --redis…"),
            );
        }
        if self.route.are_given() && !drivers.contains(&DriverName::Route) {
            return Err(Failure::usage("a route is named, but the registry is another one")
                .next("select the routes: --registry route")
                .next("or leave out --route"));
        }
        Ok(())
    }
}

impl DriverKeys {
    /// Takes relative paths from this directory.
    pub fn anchor(&mut self, directory: &Path) {
        self.postgres.anchor(directory);
        self.redis.anchor(directory);
        self.exec.anchor(directory);
    }
}

impl Drivers {
    /// Those of the command line, else of the configuration, else the default; what is said to each merges key by key.
    ///
    /// # Errors
    /// Usage: a driver without what it needs, a flag of a driver that is not used, a secret that cannot be read.
    pub fn new(flags: &DriverFlags, keys: &DriverKeys, has_router: bool, env: &Env) -> Result<Self, Failure> {
        let mut names = match flags.registry.as_slice() {
            [] => keys.driver.clone(),
            named => named.to_vec(),
        };
        if names.is_empty() {
            names.push(DriverName::default());
        }
        let is_twice = (1..names.len()).any(|at| names[..at].contains(&names[at]));
        if names.len() > 1 && (is_twice || names.contains(&DriverName::None)) {
            return Err(
                Failure::usage("several registries are named, and one of them twice, or none among them")
                    .next("name each once, the outermost first: --registry postgres,service"),
            );
        }
        flags.assert_used(&names)?;
        if !has_router && let Some(name) = names.iter().find(|name| name.needs_router()) {
            return Err(Failure::usage(format!(
                "the registry is {name}, but the address of that router is not set"
            ))
            .next("name its Service, whose pods are asked: --router-service NAMESPACE/NAME")
            .next("or each of its replicas: --router-replica URL; or its URL: --router-url URL"));
        }
        let settings = |name: DriverName| Ok((name, name.settings(flags, keys, env)?));
        names.into_iter().map(settings).collect::<Result<_, _>>().map(Self)
    }

    /// The drivers' names, in their order.
    pub fn names(&self) -> impl Iterator<Item = DriverName> + '_ {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Makes the driver, or several as one, which has not yet asked anybody anything.
    ///
    /// # Errors
    /// As [`DriverSettings::make`].
    pub async fn make(&self, session: &DriverContext) -> Result<Arc<dyn Registry>, Failure> {
        let mut drivers = Vec::new();
        for (_, settings) in &self.0 {
            drivers.push(settings.make(session).await?);
        }
        match drivers.pop() {
            Some(only) if drivers.is_empty() => Ok(Arc::from(only)),
            last => {
                drivers.extend(last);
                Ok(Arc::new(Composite::new(drivers)))
            }
        }
    }
}

/// Reads one word, or a list of them.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DriverName>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Named {
        One(DriverName),
        Several(Vec<DriverName>),
    }
    match Named::deserialize(deserializer) {
        Ok(Named::One(name)) => Ok(vec![name]),
        Ok(Named::Several(names)) => Ok(names),
        Err(_) => {
            let words: Vec<String> = DriverName::value_variants().iter().map(ToString::to_string).collect();
            Err(serde::de::Error::custom(format!(
                "registry.driver is one of {}, or a list of them",
                words.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(registry: &[DriverName]) -> DriverFlags {
        DriverFlags {
            registry: registry.to_vec(),
            ..DriverFlags::default()
        }
    }

    fn names(flags: &DriverFlags, in_file: &[DriverName], env: &Env) -> Result<Vec<DriverName>, Failure> {
        let keys = DriverKeys {
            driver: in_file.to_vec(),
            ..DriverKeys::default()
        };
        Drivers::new(flags, &keys, false, env).map(|drivers| drivers.names().collect())
    }

    #[test]
    fn the_release_s_services_are_the_default() {
        assert_eq!(names(&with(&[]), &[], &Env::default()).unwrap(), [DriverName::Service]);
    }

    #[test]
    fn several_keep_their_order_and_each_is_named_once() {
        let env = Env::from([("DATABASE_URL", "postgres://db/r")]);
        let (postgres, service, none) = (DriverName::Postgres, DriverName::Service, DriverName::None);
        assert_eq!(
            names(&with(&[]), &[postgres, service], &env).unwrap(),
            [postgres, service]
        );
        for wrong in [[service, none], [service, service]] {
            assert!(names(&with(&[]), &wrong, &env).is_err(), "{wrong:?}");
        }
        let flags = with(&[service]);
        assert_eq!(names(&flags, &[postgres, service], &Env::default()).unwrap(), [service]);
    }

    #[test]
    fn a_driver_that_is_a_router_needs_to_know_where_it_is() {
        let flags = with(&[DriverName::VllmRouter]);
        let failure = names(&flags, &[], &Env::default()).unwrap_err();
        assert!(failure.to_string().contains("vllm-router"), "{failure}");
        assert!(failure.next[0].contains("--router-service"), "{failure:?}");
        let drivers = Drivers::new(&flags, &DriverKeys::default(), true, &Env::default());
        assert_eq!(drivers.unwrap().names().count(), 1);
    }
}
