//! Two replicas of real vllm-router, whose worker is the release's Service.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use vllm_rollback_harness::databases::free_port;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::http;
use vllm_rollback_harness::names::{NameProxy, Names};
use vllm_rollback_harness::paths;
use vllm_rollback_harness::process::Running;
use vllm_rollback_harness::vllm_router::VllmRouter;

use super::door::Door;
use super::{Place, Trouble, owned, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE};

/// The routers.
pub(super) struct Routers {
    model: Model,
    replicas: Vec<VllmRouter>,
    /// A server of somebody else.
    foreign: Server,
    // Ends after the routers.
    _names: (NameProxy, Names),
}

impl Routers {
    fn worker(&self) -> String {
        worker(&self.model)
    }

    fn replicas(urls: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut words = owned(&["--registry", "vllm-router", "--model", MODEL]);
        for url in urls {
            words.extend(["--router-replica".to_owned(), url]);
        }
        words
    }
}

fn worker(model: &Model) -> String {
    format!("http://{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name)
}

fn change(router: &VllmRouter, call: &str, worker: &str) {
    let url = format!("{}/{call}?url={worker}", router.url());
    http::post(
        &url,
        None,
        &serde_json::Value::Null,
        vllm_rollback_harness::testbed::HANG,
    )
    .expect("the router answers");
}

impl Place for Routers {
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
        Some(Self {
            model,
            replicas: replicas?,
            foreign: Server::start(),
            _names: (proxy, names),
        })
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn arguments(&self) -> Vec<String> {
        Self::replicas(self.replicas.iter().map(VllmRouter::url))
    }

    /// `half` when the replicas differ.
    fn state(&self) -> String {
        let listed = |router: &&VllmRouter| router.workers().contains(&self.worker());
        let word = match self.replicas.iter().filter(listed).count() {
            0 => Self::OUT,
            number if number == self.replicas.len() => Self::IN,
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
        for router in &self.replicas {
            change(router, call, &self.worker());
        }
    }

    fn doors(&self) -> Vec<Door> {
        let door = |router: &VllmRouter| Door::Router {
            url: router.url(),
            key: None,
        };
        self.replicas.iter().map(door).collect()
    }

    const NAMES_OWNERS: bool = false;

    fn give_away(&self, away: bool) {
        let (off, on) = if away {
            (self.worker(), self.foreign.url())
        } else {
            (self.foreign.url(), self.worker())
        };
        for router in &self.replicas {
            change(router, "remove_worker", &off);
            change(router, "add_worker", &on);
        }
    }

    fn others(&self) -> Vec<String> {
        let all = self.replicas.iter().flat_map(VllmRouter::workers);
        all.filter(|worker| *worker != self.worker()).collect()
    }

    fn troubles(&self) -> Vec<Trouble> {
        let good = self.replicas[0].url();
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
