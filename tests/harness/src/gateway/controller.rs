//! The control plane: translates whenever something changes, says so in the routes' status, and writes each replica's
//! files.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{AGAIN, Cluster, Kind, generation};
use super::envoy::Files;
use super::translate::{Config, list, translate};
use super::{CONTROLLER, ai};

/// How a replica follows the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Prompt,
    /// So much later than the others.
    Late(Duration),
    /// Not at all: it goes on as it is.
    Held,
}

/// What a test tells the controller.
#[derive(Debug)]
pub(super) struct Orders {
    /// One for each replica.
    pub(super) paces: Vec<Pace>,
    /// The controller does nothing at all.
    pub(super) is_away: bool,
}

/// A replica's files, and what is still to be written into them.
#[derive(Debug)]
struct Replica {
    files: Files,
    offered: Config,
    waiting: VecDeque<(Instant, Config)>,
}

impl Replica {
    /// Writes what is due; when the next is.
    fn follow(&mut self, config: &Config, pace: Pace, now: Instant) -> Option<Instant> {
        let late = match pace {
            Pace::Prompt => Duration::ZERO,
            Pace::Late(by) => by,
            Pace::Held => return None,
        };
        if *config != self.offered {
            self.offered = config.clone();
            self.waiting.push_back((now + late, config.clone()));
        }
        while let Some((due, next)) = self.waiting.front() {
            if pace != Pace::Prompt && *due > now {
                return Some(*due);
            }
            // The directory is gone when the gateway is.
            let _ = self.files.update(next);
            self.waiting.pop_front();
        }
        None
    }
}

/// The control plane of one gateway.
#[derive(Debug)]
pub(super) struct Controller {
    cluster: Cluster,
    orders: Arc<Mutex<Orders>>,
    no_backend: u16,
    replicas: Vec<Replica>,
    /// What each generated route was made of, and its generation since.
    generated: BTreeMap<String, (Vec<(String, u64)>, u64)>,
}

impl Controller {
    pub(super) fn new(cluster: Cluster, orders: Arc<Mutex<Orders>>, no_backend: u16, files: Vec<Files>) -> Self {
        let replica = |files| Replica {
            files,
            offered: Config::default(),
            waiting: VecDeque::new(),
        };
        Self {
            cluster,
            orders,
            no_backend,
            replicas: files.into_iter().map(replica).collect(),
            generated: BTreeMap::new(),
        }
    }

    /// Works until it is dropped.
    pub(super) async fn run(mut self) {
        self.cluster.follow();
        loop {
            let next = self.reconcile().await;
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.cluster.changed.notified() => {}
                () = due => {}
            }
        }
    }

    /// Does what there is to do; when there is more.
    async fn reconcile(&mut self) -> Option<Instant> {
        let (is_away, paces) = {
            let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            (orders.is_away, orders.paces.clone())
        };
        if is_away {
            return None;
        }
        let mut is_written = self.generate().await;
        let (config, statuses) = self.translate();
        for (route, status) in statuses {
            is_written &= self
                .cluster
                .write_status(Kind::HttpRoute, &route, &status)
                .await
                .is_ok();
        }
        let now = Instant::now();
        let each = self.replicas.iter_mut().zip(paces);
        let due = each.filter_map(|(replica, pace)| replica.follow(&config, pace, now));
        due.chain((!is_written).then(|| now + AGAIN)).min()
    }

    /// Writes the HTTPRoutes of the AIGatewayRoutes. False when something could not be written.
    async fn generate(&mut self) -> bool {
        let (mut routes, mut statuses) = (Vec::new(), Vec::new());
        {
            let world = self.cluster.world();
            for (base, route) in world.all(Kind::AiGatewayRoute) {
                let inputs = ai::inputs(route, &world);
                let there = world.get(Kind::HttpRoute, base);
                let made = ai::http_route(route, there, self.cluster.namespace(), &world);
                statuses.extend(ai_status(route, made.as_ref().err()).map(|status| (route.clone(), status)));
                let known = self.generated.get(base);
                let is_as_made = there.is_some_and(|there| known == Some(&(inputs.clone(), generation(there))));
                if let (false, Ok(made)) = (is_as_made, made) {
                    routes.push((base.to_owned(), inputs, made));
                }
            }
        }
        let mut is_written = true;
        for (base, inputs, route) in routes {
            match self.cluster.write(Kind::HttpRoute, &route).await {
                Ok(written) => {
                    self.generated.insert(base, (inputs, generation(&written)));
                    self.cluster.world().put(Kind::HttpRoute, written);
                }
                Err(_) => is_written = false,
            }
        }
        for (route, status) in statuses {
            is_written &= self
                .cluster
                .write_status(Kind::AiGatewayRoute, &route, &status)
                .await
                .is_ok();
        }
        is_written
    }

    /// What Envoy is to do, and the routes whose status is another.
    fn translate(&self) -> (Config, Vec<(Value, Value)>) {
        let world = self.cluster.world();
        let translation = translate(&world, self.cluster.namespace(), self.no_backend);
        let mut statuses = Vec::new();
        for (name, ours) in translation.parents {
            let Some(route) = world.get(Kind::HttpRoute, &name) else {
                continue;
            };
            let there: Vec<Value> = list(&route["status"]["parents"]).cloned().collect();
            let others = there.iter().filter(|parent| parent["controllerName"] != CONTROLLER);
            let parents: Vec<Value> = others
                .cloned()
                .chain(ours.into_iter().map(|parent| since(parent, &there)))
                .collect();
            if parents != there {
                statuses.push((route.clone(), json!({ "parents": parents })));
            }
        }
        (translation.config, statuses)
    }
}

/// An entry with the times of its conditions: those of the entry that is there, where the status is the same.
fn since(mut parent: Value, there: &[Value]) -> Value {
    let is_same = |known: &&Value| {
        known["controllerName"] == parent["controllerName"] && known["parentRef"] == parent["parentRef"]
    };
    let known = there.iter().find(is_same).map(|known| known["conditions"].clone());
    if let Some(conditions) = parent["conditions"].as_array_mut() {
        for condition in conditions {
            time(condition, known.as_ref());
        }
    }
    parent
}

fn time(condition: &mut Value, known: Option<&Value>) {
    let is_same = |known: &&Value| known["type"] == condition["type"] && known["status"] == condition["status"];
    let since = known
        .and_then(|known| list(known).find(is_same))
        .map(|known| known["lastTransitionTime"].clone());
    condition["lastTransitionTime"] =
        since.unwrap_or_else(|| json!(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
}

/// The status of an AIGatewayRoute; none when it is there already.
fn ai_status(route: &Value, failed: Option<&String>) -> Option<Value> {
    let mut condition = ai::condition(failed);
    time(&mut condition, Some(&route["status"]["conditions"]));
    let status = json!({ "conditions": [condition] });
    (route["status"] != status).then_some(status)
}
