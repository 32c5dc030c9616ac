use std::collections::BTreeMap;
use std::sync::Mutex;
use vllm_rollback_engine::failure::FailureKind;

use http::Method;
use http::header::HOST;
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::route::{RoutePath, RouteRequest};

use super::*;
use vllm_rollback_engine::traffic::Keep;

const SOON: Duration = Duration::from_secs(5);

/// Long enough to look twice.
const BRIEF: Duration = Duration::from_millis(500);

/// A cluster with routes, and the gateway that follows them at once. Requests are spread by weight, in turn.
#[derive(Default)]
struct World {
    routes: Mutex<Vec<Route>>,
    named: Vec<RouteId>,
    /// Writes that somebody else is quicker than.
    races: Mutex<usize>,
    /// The gateway goes on by these weights.
    lags: Mutex<Option<Vec<Route>>>,
    asked: Mutex<u64>,
    answered: Mutex<u64>,
    are_pods_silent: bool,
    /// The one host that it knows.
    host: Option<&'static str>,
    /// The release answers no completion.
    do_pods_hang: bool,
    /// The gateway answers nothing at all.
    is_silent: bool,
}

const OWN: &str = "Service ml/llama:8000";
const OTHER: &str = "Service ml/other:8000";

fn service(name: &str) -> LeadsTo {
    LeadsTo::Service {
        namespace: "ml".into(),
        name: name.into(),
    }
}

/// One rule with these backends.
fn route(name: &str, backends: &[(&str, Option<u32>)]) -> Route {
    let backend = |(index, (name, weight)): (usize, &(&str, Option<u32>))| Backend {
        rule: 0,
        index,
        name: (*name).to_owned(),
        weight: *weight,
        leads_to: service(if *name == OWN { "llama" } else { "other" }),
    };
    Route {
        id: RouteId {
            kind: RouteKind::Http,
            namespace: "ml".into(),
            name: name.into(),
        },
        resource_version: "1".into(),
        backends: backends.iter().enumerate().map(backend).collect(),
        requests: vec![RouteRequest {
            rule: 0,
            host: None,
            path: RoutePath::Prefix("/".into()),
            headers: Vec::new(),
        }],
        mirrors: Vec::new(),
        controller: None,
        release: None,
        observed: Observed::Accepted("accepted".into()),
        managers: vec!["kubectl/Update".into()],
    }
}

impl World {
    fn with(routes: Vec<Route>) -> Arc<Self> {
        Arc::new(Self {
            routes: Mutex::new(routes),
            ..Self::default()
        })
    }

    fn weights(&self) -> Vec<Option<u32>> {
        let routes = self.routes.lock().unwrap();
        routes
            .iter()
            .flat_map(|route| &route.backends)
            .map(|backend| backend.weight)
            .collect()
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<Route>)) {
        edit(&mut self.routes.lock().unwrap());
    }

    /// The backend of the next request.
    fn next(&self) -> Option<String> {
        let lags = self.lags.lock().unwrap().clone();
        let routes = lags.unwrap_or_else(|| self.routes.lock().unwrap().clone());
        let backends = routes.iter().flat_map(|route| &route.backends);
        let turns: Vec<&Backend> = backends
            .flat_map(|backend| vec![backend; backend.share() as usize])
            .collect();
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        let turn = usize::try_from(*asked).unwrap() % turns.len().max(1);
        turns.get(turn).map(|backend| backend.name.clone())
    }
}

#[async_trait]
impl Routes for World {
    async fn list(&self, _: &[RouteId]) -> Result<Vec<Route>, Failure> {
        Ok(self.routes.lock().unwrap().clone())
    }
    async fn set(&self, route: &Route, weights: &[Weight]) -> Result<Written, WriteError> {
        let mut races = self.races.lock().unwrap();
        if *races > 0 {
            *races -= 1;
            return Ok(Written::Overtaken(Failure::conflict("changed")));
        }
        self.edit(|routes| {
            let route = routes.iter_mut().find(|known| known.id == route.id).unwrap();
            for Weight { rule, index, weight } in weights {
                let is_it = |backend: &&mut Backend| (backend.rule, backend.index) == (*rule, *index);
                route.backends.iter_mut().find(is_it).unwrap().weight = *weight;
            }
        });
        Ok(Written::Done)
    }
    async fn give_back(&self, _: &RouteId) -> Result<Written, WriteError> {
        Ok(Written::Done)
    }
    async fn answered(&self) -> Result<BTreeMap<String, Option<u64>>, Failure> {
        let count = (!self.are_pods_silent).then_some(*self.answered.lock().unwrap());
        Ok(BTreeMap::from([("llama-1".to_owned(), count)]))
    }
}

#[async_trait]
impl ReleaseEndpoints for World {
    async fn services(&self) -> Result<Vec<Service>, Failure> {
        Ok(vec![Service {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![8000],
            ..Service::default()
        }])
    }
    async fn pods(&self) -> Result<Vec<PodEndpoint>, Failure> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl RouterClient for World {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["http://gateway".to_owned()])
    }
    async fn send(&self, _: &str, request: &Request) -> Result<Response, Failure> {
        let is_other = |host: &str| request.headers.get(HOST).is_none_or(|asked| asked != host);
        if self.host.is_some_and(is_other) {
            return Ok(Response {
                status: 404,
                ..Response::default()
            });
        }
        let silence = || Err(Failure::timeout("no answer"));
        if self.is_silent {
            return silence();
        }
        if request.method == Method::GET {
            return Ok(Response::default());
        }
        let backend = self.next();
        if self.do_pods_hang && backend.as_deref() == Some(OWN) {
            return silence();
        }
        if backend.as_deref() == Some(OWN) {
            *self.answered.lock().unwrap() += 1;
        }
        Ok(Response {
            status: if backend.is_some() { 200 } else { 500 },
            ..Response::default()
        })
    }
}

fn driver(world: &Arc<World>) -> RouteWeights {
    RouteWeights {
        release: ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        },
        routes: world.clone(),
        named: world.named.clone(),
        endpoints: world.clone(),
        client: world.clone(),
        model: "llama".into(),
    }
}

async fn refused(route: Route) -> String {
    driver(&World::with(vec![route])).read().await.unwrap_err().to_string()
}

#[tokio::test]
async fn every_backend_of_the_release_is_stopped_and_put_back_as_it_was() {
    let world = World::with(vec![
        route("a", &[(OWN, Some(7)), (OTHER, Some(3))]),
        route("b", &[(OWN, None)]),
        route("c", &[(OTHER, Some(1))]),
    ]);
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Enabled);
    for _ in 0..2 {
        driver.stop(&whole(&prior)).await.unwrap();
        assert_eq!(world.weights(), [Some(0), Some(3), Some(0), Some(1)]);
        assert_eq!(driver.read().await.unwrap().status, TrafficStatus::Disabled);
    }
    driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    for _ in 0..2 {
        driver.restore(&prior).await.unwrap();
        assert_eq!(world.weights(), [Some(7), Some(3), None, Some(1)]);
    }
    driver.confirm_resumed(&prior, SOON).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_still_routes_is_seen_alone_and_beside_others() {
    for backends in [&[(OWN, Some(1))][..], &[(OWN, Some(1)), (OTHER, Some(1))]] {
        let world = World::with(vec![route("a", backends)]);
        let driver = driver(&world);
        let prior = driver.read().await.unwrap();
        *world.lags.lock().unwrap() = Some(world.routes.lock().unwrap().clone());
        driver.stop(&whole(&prior)).await.unwrap();
        let failure = driver.confirm_stopped(&whole(&prior), BRIEF).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
        *world.lags.lock().unwrap() = None;
        driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_by_another_backend_is_no_proof_that_the_release_serves() {
    let world = World::with(vec![route("a", &[(OWN, Some(1)), (OTHER, Some(1))])]);
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    *world.lags.lock().unwrap() = Some(world.routes.lock().unwrap().clone());
    driver.restore(&prior).await.unwrap();
    let failure = driver.confirm_resumed(&prior, BRIEF).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
}

#[tokio::test]
async fn beside_others_pods_that_tell_no_numbers_prove_nothing() {
    let world = Arc::new(World {
        routes: Mutex::new(vec![route("a", &[(OWN, Some(0)), (OTHER, Some(1))])]),
        are_pods_silent: true,
        ..World::default()
    });
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    assert!(driver.confirm_stopped(&whole(&prior), BRIEF).await.is_err());
}

/// 1 % of the traffic is met by one request in a hundred.
#[tokio::test]
async fn a_gateway_that_lags_is_seen_however_small_the_share_was() {
    let world = World::with(vec![route("a", &[(OTHER, Some(99)), (OWN, Some(1))])]);
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    *world.lags.lock().unwrap() = Some(world.routes.lock().unwrap().clone());
    driver.stop(&whole(&prior)).await.unwrap();
    let failure = driver.confirm_stopped(&whole(&prior), BRIEF).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
    *world.lags.lock().unwrap() = None;
    let lines = driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    assert!(lines[1].contains("of 459 requests"), "{lines:?}");
}

#[tokio::test]
async fn a_route_that_no_gateway_takes_is_held_beside_one_that_works() {
    let dead = Route {
        observed: Observed::Refused("NoMatchingParent".into()),
        ..route("dead", &[(OWN, Some(5))])
    };
    let world = World::with(vec![dead.clone(), route("a", &[(OWN, Some(2))])]);
    let driver_ = driver(&world);
    let prior = driver_.read().await.unwrap();
    driver_.stop(&whole(&prior)).await.unwrap();
    assert_eq!(world.weights(), [Some(0), Some(0)]);
    driver_.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    driver_.restore(&prior).await.unwrap();
    driver_.confirm_resumed(&prior, SOON).await.unwrap();
    assert_eq!(world.weights(), [Some(5), Some(2)]);
    let named = Arc::new(World {
        named: vec![dead.id.clone()],
        routes: Mutex::new(vec![dead, route("a", &[(OWN, Some(2))])]),
        ..World::default()
    });
    let failure = driver(&named).read().await.unwrap_err();
    assert!(failure.to_string().contains("NoMatchingParent"), "{failure}");
}

#[tokio::test]
async fn a_weight_that_somebody_sets_back_is_a_conflict_at_once() {
    let world = World::with(vec![route("a", &[(OWN, Some(1))])]);
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    let failure = driver.confirm_stopped(&whole(&prior), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
}

#[tokio::test]
async fn a_write_is_tried_again_when_somebody_else_was_quicker_but_not_for_ever() {
    let world = World::with(vec![route("a", &[(OWN, Some(1))])]);
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    *world.races.lock().unwrap() = 2;
    driver.stop(&whole(&prior)).await.unwrap();
    assert_eq!(world.weights(), [Some(0)]);
    *world.races.lock().unwrap() = usize::MAX;
    assert_eq!(
        driver.restore(&prior).await.unwrap_err().failure().kind,
        FailureKind::Conflict
    );
}

#[tokio::test]
async fn a_gateway_that_does_not_know_what_it_is_asked_proves_nothing() {
    let mut known = route("a", &[(OWN, Some(1))]);
    known.requests[0].host = Some("models.example.com".into());
    let of = |route: Route| {
        Arc::new(World {
            routes: Mutex::new(vec![route]),
            host: Some("models.example.com"),
            ..World::default()
        })
    };
    let world = of(known);
    let known = driver(&world);
    known.preflight().await.unwrap();
    let prior = known.read().await.unwrap();
    known.stop(&whole(&prior)).await.unwrap();
    let lines = known.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    assert!(lines[1].contains("models.example.com/v1/completions"), "{lines:?}");

    let unknown = driver(&of(route("a", &[(OWN, Some(0))])));
    let failure = unknown.preflight().await.unwrap_err();
    assert!(failure.to_string().contains("has no rule"), "{failure}");
    let failure = unknown.confirm_stopped(&whole(&prior), BRIEF).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
}

#[tokio::test]
async fn a_model_that_hangs_can_be_stopped_and_a_silent_gateway_cannot_be_asked() {
    let of = |do_pods_hang, is_silent| {
        Arc::new(World {
            routes: Mutex::new(vec![route("a", &[(OWN, Some(1))])]),
            do_pods_hang,
            is_silent,
            ..World::default()
        })
    };
    let hangs = driver(&of(true, false));
    hangs.preflight().await.unwrap();
    let prior = hangs.read().await.unwrap();
    hangs.stop(&whole(&prior)).await.unwrap();
    hangs.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    hangs.restore(&prior).await.unwrap();
    assert!(hangs.confirm_resumed(&prior, BRIEF).await.is_err());
    assert!(driver(&of(false, true)).preflight().await.is_err());
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_with_the_reason() {
    let own = || route("a", &[(OWN, Some(1))]);
    let controlled = Route {
        controller: Some("InferenceService/llama".into()),
        ..own()
    };
    assert!(refused(controlled).await.contains("InferenceService/llama"));
    let of_the_release = Route {
        release: Some(ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        }),
        ..own()
    };
    assert!(refused(of_the_release).await.contains("part of this release"));
    let mirrored = Route {
        mirrors: vec![service("llama")],
        ..route("a", &[(OTHER, Some(1))])
    };
    assert!(refused(mirrored).await.contains("copies"));
    let unaccepted = Route {
        observed: Observed::Refused("NoMatchingParent".into()),
        ..own()
    };
    assert!(refused(unaccepted).await.contains("NoMatchingParent"));
    assert!(refused(route("a", &[(OTHER, Some(1))])).await.contains("no route"));
}

#[tokio::test]
async fn the_route_that_an_ai_gateway_makes_is_left_to_it() {
    let made = Route {
        controller: Some("AIGatewayRoute/llama".into()),
        ..route("llama", &[(OWN, Some(1))])
    };
    let mut ai = route("llama", &[(OWN, Some(1))]);
    ai.id.kind = RouteKind::AiGateway;
    let world = World::with(vec![made.clone(), ai]);
    let driver_ = driver(&world);
    let prior = driver_.read().await.unwrap();
    driver_.stop(&whole(&prior)).await.unwrap();
    assert_eq!(world.weights(), [Some(1), Some(0)]);
    let named = Arc::new(World {
        named: vec![made.id.clone()],
        routes: Mutex::new(vec![made]),
        ..World::default()
    });
    assert!(driver(&named).read().await.is_err());
}

#[tokio::test]
async fn a_named_route_has_to_lead_here() {
    let other = route("other", &[(OTHER, Some(1))]);
    let world = Arc::new(World {
        named: vec![other.id.clone()],
        routes: Mutex::new(vec![route("a", &[(OWN, Some(1))]), other]),
        ..World::default()
    });
    let failure = driver(&world).read().await.unwrap_err();
    assert!(failure.to_string().contains("HTTPRoute ml/other"), "{failure}");
}

#[tokio::test]
async fn rules_that_moved_meanwhile_get_their_weights_back_by_name() {
    let world = World::with(vec![route("a", &[(OTHER, Some(3)), (OWN, Some(7))])]);
    let driver = driver(&world);
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    world.edit(|routes| {
        for backend in &mut routes[0].backends {
            backend.rule = 1;
        }
    });
    driver.restore(&prior).await.unwrap();
    assert_eq!(world.weights(), [Some(3), Some(7)]);
}

#[tokio::test]
async fn without_memory_only_a_backend_alone_in_its_rule_is_enabled() {
    let alone = driver(&World::with(vec![route("a", &[(OWN, Some(0))])]));
    let wish = alone.enabled(&alone.read().await.unwrap()).unwrap();
    alone.restore(&wish).await.unwrap();
    assert_eq!(alone.read().await.unwrap().status, TrafficStatus::Enabled);
    let shared = driver(&World::with(vec![route("a", &[(OWN, Some(0)), (OTHER, Some(1))])]));
    let failure = shared.enabled(&shared.read().await.unwrap()).unwrap_err();
    assert!(
        failure.next[0].contains("kubectl edit httproute a -n ml"),
        "{failure:?}"
    );
}

/// A stop that keeps nothing in traffic.
fn whole(prior: &TrafficState) -> Stop<'_> {
    Stop::new(prior, Keep::Nothing)
}
