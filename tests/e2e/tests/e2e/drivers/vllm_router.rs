//! Two replicas of real vllm-router, whose worker is the release's Service.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use vllm_rollback_engine::report::RunReport;
use vllm_rollback_harness::databases::free_port;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::http;
use vllm_rollback_harness::names::{NameProxy, Names};
use vllm_rollback_harness::paths;
use vllm_rollback_harness::process::Running;
use vllm_rollback_harness::relay::Relay;
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::vllm_router::VllmRouter;

use super::cases::{self, assert_served, begin, other_revision, rolled_back};
use super::door::{Clients, Door};
use super::line::{self, Line};
use super::rollback::outage;
use super::{OwnCase, TrafficBackend, Trouble, owned, start, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE, assert_restored, until_said};

/// How late a router is when it is slow.
const LATE: Duration = Duration::from_secs(1);
/// A request that changes a worker list.
const CHANGE: &[&str] = &["_worker?url="];

/// The routers.
pub(super) struct Routers {
    model: Model,
    replicas: RefCell<Vec<VllmRouter>>,
    /// Between the tool and each of them, at the same place when one is started anew.
    relays: Vec<Relay>,
    /// A server of somebody else.
    foreign: Server,
    proxy: NameProxy,
    // Ends after the routers.
    _names: Names,
}

impl Routers {
    fn worker(&self) -> String {
        worker(&self.model)
    }

    /// What each replica lists.
    fn lists(&self) -> Vec<Vec<String>> {
        self.replicas.borrow().iter().map(VllmRouter::workers).collect()
    }

    fn change(&self, call: &str, worker: &str) {
        for router in self.replicas.borrow().iter() {
            change(router, call, worker);
        }
    }

    pub(super) fn replicas(urls: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut words = owned(&["--registry", "vllm-router", "--model", MODEL]);
        for url in urls {
            words.extend(["--router-replica".to_owned(), url]);
        }
        words
    }
}

/// The URLs of the release's pods, as the API shows their addresses.
pub(super) fn pod_urls(model: &Model) -> Vec<String> {
    let endpoints = model.namespace.client(SERVICE).endpoints();
    let url = |at: String| format!("http://{}", at.replacen("127.244.", "10.244.", 1));
    endpoints.into_iter().map(url).collect()
}

fn worker(model: &Model) -> String {
    format!("http://{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name)
}

fn change(router: &VllmRouter, call: &str, worker: &str) {
    let url = format!("{}/{call}?url={worker}", router.url());
    http::post(&url, None, &serde_json::Value::Null, HANG).expect("the router answers");
}

impl TrafficBackend for Routers {
    const DRIVER: &'static str = "vllm-router";
    const IN: &'static str = "listed";
    const OUT: &'static str = "absent";
    const OTHERS: &'static [&'static str] = &["absent"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        let model = two_revisions(hint, major);
        let name = worker(&model).replacen("http://", "", 1);
        let names = Names::follow(BTreeMap::from([(name, model.namespace.client(SERVICE))]));
        let proxy = NameProxy::start(&names);
        let workers = [worker(&model)];
        let replicas: Option<Vec<VllmRouter>> = (0..2).map(|_| VllmRouter::start(&workers, &proxy)).collect();
        let replicas = replicas?;
        Some(Self {
            model,
            relays: replicas.iter().map(|router| Relay::start(router.port())).collect(),
            replicas: RefCell::new(replicas),
            foreign: Server::start(),
            proxy,
            _names: names,
        })
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn arguments(&self) -> Vec<String> {
        Self::replicas(self.relays.iter().map(Relay::url))
    }

    /// `half` when the replicas differ.
    fn state(&self) -> String {
        let lists = self.lists();
        let word = match lists.iter().filter(|list| list.contains(&self.worker())).count() {
            0 => Self::OUT,
            number if number == lists.len() => Self::IN,
            _ => "half",
        };
        word.to_owned()
    }

    fn set(&self, word: &str) {
        let call = if word == Self::IN {
            "add_worker"
        } else {
            "remove_worker"
        };
        self.change(call, &self.worker());
    }

    fn doors(&self) -> Vec<Door> {
        let door = |router: &VllmRouter| Door::Router {
            url: router.url(),
            key: None,
        };
        self.replicas.borrow().iter().map(door).collect()
    }

    const NAMES_OWNERS: bool = false;

    fn give_away(&self, away: bool) {
        let (off, on) = if away {
            (self.worker(), self.foreign.url())
        } else {
            (self.foreign.url(), self.worker())
        };
        self.change("remove_worker", &off);
        self.change("add_worker", &on);
    }

    fn others(&self) -> Vec<String> {
        let all = self.lists().into_iter().flatten();
        all.filter(|worker| *worker != self.worker()).collect()
    }

    fn troubles(&self) -> Vec<Trouble> {
        let good = self.relays[0].url();
        let with = |what, says, bad: String| Trouble {
            what,
            says,
            arguments: Self::replicas([good.clone(), bad]),
            env: Vec::new(),
        };
        vec![
            with(
                "a replica that is down",
                "gives no answer",
                format!("http://127.0.0.1:{}", free_port()),
            ),
            with("a replica that says nothing", "gives no answer", answers(None)),
            with(
                "a replica that answers 500",
                "HTTP 500",
                answers(Some("500 Internal Server Error")),
            ),
            with(
                "a replica that wants a key",
                "HTTP 401",
                answers(Some("401 Unauthorized")),
            ),
            with(
                "a replica that is something else",
                "does not list its workers",
                answers(Some("200 OK")),
            ),
        ]
    }

    fn line(&self, line: Line) {
        line::set(&self.relays, line, LATE, CHANGE);
    }

    // No replica lags: each has a list of its own, and each is told. What it can do instead is to start anew.
    fn own_cases(&self) -> Vec<OwnCase<Self>> {
        vec![
            ("a replica that refuses the change", |place| {
                cases::refused(place, &place.relays[1], CHANGE[0]);
            }),
            ("workers that are pods", pods_are_workers),
            ("a Service as the worker cannot be narrowed", cases::cannot_be_narrowed),
            ("a replica that lost its worker before", lost_before),
            ("a replica that starts anew while fenced, with its worker", |place| {
                let lines = anew_while_fenced(place, &place.arguments(), &place.worker());
                let is_told = |line: &String| line.contains("fixed: ") && line.contains(&place.worker());
                assert!(lines.iter().any(is_told), "{lines:?}");
            }),
            (
                "a replica that starts anew while fenced, before a closed Service",
                anew_before_a_gate,
            ),
            ("a replica that starts anew while fenced, without it", |place| {
                anew_while_fenced(place, &place.arguments(), &place.foreign.url());
                change(&place.replicas.borrow()[1], "remove_worker", &place.foreign.url());
            }),
        ]
    }
}

/// Pods have other addresses after a rollback, and only those are listed then.
fn pods_are_workers(place: &Routers) {
    begin(place);
    let set = |from: &[String], to: &[String]| {
        from.iter().for_each(|worker| place.change("remove_worker", worker));
        to.iter().for_each(|worker| place.change("add_worker", worker));
    };
    let before = pod_urls(&place.model);
    set(&[place.worker()], &before);
    assert_served(place);
    place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
    assert_eq!(place.lists().concat(), Vec::<String>::new());
    place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
    assert_eq!(place.lists(), [before.clone(), before.clone()]);
    assert_served(place);
    rolled_back(place, other_revision(place), &["--to-rejected"]);
    let after = pod_urls(&place.model);
    assert_ne!(after, before, "the pods are the same ones");
    assert_eq!(place.lists(), [after.clone(), after.clone()]);
    assert_served(place);
    set(&after, &[place.worker()]);
}

/// It gets back what the other one has.
fn lost_before(place: &Routers) {
    begin(place);
    change(&place.replicas.borrow()[1], "remove_worker", &place.worker());
    assert_eq!(place.state(), "half");
    let report = place
        .run(
            &["rollback"],
            &[
                &other_revision(place).to_string(),
                "--to-rejected",
                "--yes",
                "-o",
                "json",
            ],
        )
        .expect_code(0)
        .report();
    assert_eq!(place.state(), Routers::IN);
    let lines: Vec<String> = report.states.into_iter().flat_map(|state| state.evidence).collect();
    let is_told = |line: &String| line.contains("fixed: ") && line.contains(&place.relays[1].url());
    assert!(lines.iter().any(is_told), "{lines:?}");
    assert_served(place);
}

/// It has its worker again at once, but the Service behind it is closed.
fn anew_before_a_gate(place: &Routers) {
    let mut arguments = place.arguments();
    let driver = arguments.iter_mut().find(|word| *word == Routers::DRIVER);
    "vllm-router,service".clone_into(driver.expect("the driver is named"));
    // Where the new one takes over, too.
    let door = |relay: &Relay| Door::Router {
        url: relay.url(),
        key: None,
    };
    let clients = Clients::at(place.relays.iter().map(door).collect());
    let lines = anew_while_fenced(place, &arguments, &place.worker());
    let is_told = |words: [&str; 2]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(is_told(["fixed: ", &place.worker()]), "{lines:?}");
    assert!(is_told([SERVICE, "gate closed"]), "{lines:?}");
    outage(&clients.call_back());
}

/// The second replica loses its list in the middle of a rollback, and starts with this worker. What the report says.
fn anew_while_fenced(place: &Routers, arguments: &[String], worker: &str) -> Vec<String> {
    begin(place);
    // Started before, so that only the moment in which it takes over decides.
    let anew = VllmRouter::start(&[worker.to_owned()], &place.proxy).expect("it is installed");
    let to = other_revision(place);
    let more = [&to.to_string(), "--to-rejected", "--yes", "-o", "json"];
    let mut running = start(&place.tool(), &["rollback"], arguments, &more);
    let _stderr = until_said(&mut running, "rolled-back");
    place.relays[1].lead_to(anew.port());
    place.replicas.borrow_mut()[1] = anew;
    let mut stdout = String::new();
    let mut pipe = running.child().stdout.take().expect("stdout is piped");
    pipe.read_to_string(&mut stdout).expect("a report is text");
    assert_eq!(running.wait(HANG), Some(0), "{stdout}");
    let report: RunReport = serde_json::from_str(&stdout).expect("a report");
    assert_restored(&report, to);
    assert_eq!(place.state(), Routers::IN);
    assert_served(place);
    report.states.into_iter().flat_map(|state| state.evidence).collect()
}

/// A model server that is nobody's release.
struct Server {
    port: u16,
    _running: Running,
}

impl Server {
    fn start() -> Self {
        let port = free_port();
        let mut command = Command::new(paths::built("vllm-sim"));
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--served-model-name", MODEL])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            port,
            _running: Running::start(&mut command),
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A server with one answer for everything, until the process ends; with its URL. Without an answer it only listens.
pub(super) fn answers(status: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket"));
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            if let Some(status) = status {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                // Whoever hangs up first is nobody's concern here.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
                );
            }
            open.push(stream);
        }
    });
    url
}
