//! A gateway of the Gateway API: real Envoys, and a small control plane of ours that reads the routes of one namespace.
//!
//! What it does as published implementations do, after Envoy Gateway's `internal/gatewayapi/route.go`: weights split a
//! rule's requests, and one that is not given is 1; a rule without weight answers 500 ([`Setup::no_backend`]); a backend that
//! does not resolve answers 500, and ResolvedRefs is False; a backend without a ready endpoint answers 503; the status is
//! written when a route was translated, whether or not an Envoy has read it. The API server has the kinds of [`crds`].

mod ai;
mod backends;
mod cluster;
mod controller;
pub mod crds;
mod envoy;
mod rules;
#[cfg(test)]
mod tests;
mod translate;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::http;
use crate::namespace::Namespace;
use cluster::Cluster;
pub use controller::Pace;
use controller::{Controller, Orders};
use envoy::Envoy;

/// The Gateway that a route names as its parent.
pub const GATEWAY: &str = "models";
/// Its only listener.
pub const LISTENER: &str = "http";
/// As `controllerName` of a status.
pub const CONTROLLER: &str = "example.com/gateway";

/// What a gateway is like.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// How many Envoys.
    pub replicas: usize,
    /// HTTP status of a rule in which no backend has weight: Envoy Gateway gives 500, Istio 503.
    pub no_backend: u16,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            replicas: 2,
            no_backend: 500,
        }
    }
}

/// A running gateway of a namespace; it ends with this value, its Envoys with the thread that started it, too.
#[derive(Debug)]
pub struct Gateway {
    envoys: Vec<Envoy>,
    cluster: Cluster,
    orders: Arc<Mutex<Orders>>,
    /// Dropped to end the controller.
    working: Option<oneshot::Sender<()>>,
    controller: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Gateway {
    /// Starts one for the routes of this namespace. None when Envoy is not installed: see [`crate::paths::router`].
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(namespace: &Namespace<'_>, setup: Setup) -> Option<Self> {
        crds::install(namespace.testbed);
        let dir = tempfile::Builder::new()
            .prefix("vrb-gw")
            .tempdir()
            .expect("a temporary directory");
        let dirs: Vec<_> = (0..setup.replicas)
            .map(|number| dir.path().join(number.to_string()))
            .collect();
        let (envoys, files): (Vec<Envoy>, Vec<_>) = Envoy::start(&dirs)?.into_iter().unzip();
        let orders = Arc::new(Mutex::new(Orders {
            paces: vec![Pace::Prompt; setup.replicas],
            is_away: false,
        }));
        let cluster = Cluster::new(&namespace.testbed.api(), &namespace.name);
        let controller = Controller::new(cluster.clone(), Arc::clone(&orders), setup.no_backend, files);
        let (working, ended) = oneshot::channel();
        let controller = std::thread::spawn(move || {
            http::block_on(async {
                tokio::select! {
                    () = controller.run() => {}
                    _ = ended => {}
                }
            });
        });
        Some(Self {
            envoys,
            cluster,
            orders,
            working: Some(working),
            controller: Some(controller),
            _dir: dir,
        })
    }

    /// How to reach each replica.
    pub fn urls(&self) -> Vec<String> {
        self.envoys.iter().map(Envoy::url).collect()
    }

    /// Lets a replica follow the control plane like this from now on.
    pub fn pace(&self, replica: usize, pace: Pace) {
        self.orders().paces[replica] = pace;
        self.cluster.changed.notify_one();
    }

    /// Lets the controller do nothing, or work again. Envoys go on with what they have, as those of a real gateway do.
    pub fn away(&self, is_away: bool) {
        self.orders().is_away = is_away;
        self.cluster.changed.notify_one();
    }

    /// Configurations that an Envoy did not take: it goes on with the one before then, so a test must see none.
    pub fn refused(&self) -> Vec<String> {
        self.envoys.iter().flat_map(Envoy::refused).collect()
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.working.take());
        let _ = self.controller.take().map(JoinHandle::join);
    }
}
