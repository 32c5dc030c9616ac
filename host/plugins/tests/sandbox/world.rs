//! The world around the checks of a test.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use vllm_rollback_engine::check::{CheckContext, Phase, Verdict};
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Checks;
use vllm_rollback_engine::ports::checks::{ClusterView, HttpError, PodTargets, TrafficView};
use vllm_rollback_engine::traffic::{TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::event::Event as ClusterEvent;
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::{Container, LogOf, Pod, PodAddress};
use vllm_rollback_plugins::{
    CheckRunner, Compiler, Endpoint, Enforcement, GrantTable, HostOptions, PluginHost, RouterEndpoint,
};

pub(crate) const MODEL: &str = "tiny";

/// A component that `plugins/build.sh` made for tests.
pub(crate) fn component(name: &str) -> PathBuf {
    let root = std::env::var_os("VLLM_ROLLBACK_PLUGINS_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"),
        PathBuf::from,
    );
    root.join("test").join(format!("{name}.wasm"))
}

/// A compiler in a child process, as the tool has it.
pub(crate) fn compiler() -> Compiler {
    Compiler::program(
        PathBuf::from(env!("CARGO_BIN_EXE_compile-plugin")),
        Vec::<String>::new(),
    )
}

/// Compiled components are shared by all tests of a process run: each is compiled once.
pub(crate) fn shared_cache() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

pub(crate) fn options(grants: &[&str]) -> HostOptions {
    let mut options = HostOptions::new(shared_cache()).unwrap();
    options.compiler = compiler();
    options.grants = GrantTable::parse(grants).unwrap();
    options
}

/// A host with one component of the tests.
pub(crate) fn host(name: &str, grants: &[&str], parameters: Value) -> PluginHost {
    let mut host = PluginHost::new(options(grants)).unwrap();
    host.add_file(&component(name), Enforcement::Required, parameters)
        .unwrap();
    host
}

/// A model server in this process; `faults` as in tests/vllm-sim, without `SIM_`.
pub(crate) async fn model_server(faults: &[(&str, &str)]) -> u16 {
    let line = format!("--model /models/tiny --served-model-name {MODEL}");
    let (args, _) = vllm_sim::args::Args::read(line.split_whitespace().map(str::to_owned)).unwrap();
    let faults = faults
        .iter()
        .map(|(name, value)| (format!("SIM_{name}"), (*value).to_owned()));
    let server = vllm_sim::server::Server::new(args, vllm_sim::faults::Faults::read(faults).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(vllm_sim::lifecycle::serve(listener, Arc::new(server)));
    port
}

/// A server on loopback that answers `GET path` with a text.
pub(crate) async fn text_server(path: &str, text: &'static str) -> u16 {
    let app = Router::new().route(path, get(move || async move { text }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

pub(crate) fn endpoint(port: u16) -> Endpoint {
    Endpoint::parse(&format!("http://127.0.0.1:{port}"), None).unwrap()
}

pub(crate) fn pod(name: &str, port: u16) -> ServingPod {
    ServingPod {
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
        revision_hash: "7b8f".to_owned(),
        ready: true,
        restarts: 0,
        port,
        images: vec!["vllm/vllm-openai:v0.33.0".to_owned()],
        ip: None,
    }
}

pub(crate) fn context(pods: Vec<ServingPod>) -> CheckContext {
    CheckContext {
        is_subset: false,
        run_id: "01TEST".to_owned(),
        release: "llama".to_owned(),
        namespace: "default".to_owned(),
        revision: 3,
        model: Some(MODEL.to_owned()),
        environment: None,
        pods,
        expected_traffic: "enabled".to_owned(),
    }
}

/// Pods are ports of loopback; what a test wants to know of the world is asked from here.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Requests that reached a pod.
    pub(crate) requests: Mutex<Vec<String>>,
}

#[async_trait]
impl PodTargets for World {
    async fn send(&self, pod: &PodAddress, request: Request) -> Result<Response, HttpError> {
        self.requests
            .lock()
            .unwrap()
            .push(format!("{} {}", request.method, request.path));
        assert_eq!(pod.uid, format!("uid-of-{}", pod.name));
        let sent = Instant::now();
        let url = format!("http://127.0.0.1:{}{}", pod.port, request.path);
        let call = client()
            .request(request.method, url)
            .headers(request.headers)
            .body(request.body);
        let unreachable = |error: reqwest::Error| HttpError::Unreachable(error.without_url().to_string());
        let answer = call.timeout(request.timeout).send().await.map_err(unreachable)?;
        let (status, headers, first_byte) = (answer.status().as_u16(), answer.headers().clone(), sent.elapsed());
        let body = answer.bytes().await.map_err(unreachable)?;
        Ok(Response {
            status,
            headers,
            body,
            first_byte,
            total: sent.elapsed(),
        })
    }
}

fn client() -> reqwest::Client {
    install_tls();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Installs the crypto provider, as the tool's main does.
pub(crate) fn install_tls() {
    // A second test of the process finds it done.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[async_trait]
impl ClusterView for World {
    async fn pods(&self) -> Result<Vec<Pod>, Failure> {
        let container = Container {
            name: "vllm".to_owned(),
            image: "vllm/vllm-openai:v0.33.0".to_owned(),
            ready: true,
            restarts: 0,
            state: "running".to_owned(),
            reason: String::new(),
            exit_code: None,
        };
        Ok(vec![Pod {
            name: "llama-0".to_owned(),
            uid: "uid-of-llama-0".to_owned(),
            revision_hash: "7b8f".to_owned(),
            of_target: true,
            phase: "Running".to_owned(),
            ready: true,
            terminating: false,
            containers: vec![container],
            age_seconds: 60,
        }])
    }

    async fn events(&self) -> Result<Vec<ClusterEvent>, Failure> {
        Ok(Vec::new())
    }

    async fn log_tail(&self, _: &str, _: &str, _: LogOf, _: u32) -> Result<String, Failure> {
        Ok("INFO ready\n".to_owned())
    }
}

#[async_trait]
impl TrafficView for World {
    async fn read(&self) -> Result<TrafficState, Failure> {
        Ok(TrafficState {
            driver: "postgres".to_owned(),
            status: TrafficStatus::Enabled,
            token: Value::Null,
            endpoint: Some("http://llama".to_owned()),
            evidence: vec!["status = ready".to_owned()],
        })
    }
}

/// Remembers events.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(crate) Mutex<Vec<Verdict>>);

impl Observer for Seen {
    fn event(&self, event: Event) {
        if let Event::Checked { verdict } = event {
            self.0.lock().unwrap().push(verdict);
        }
    }
}

pub(crate) fn runner(host: PluginHost, world: &Arc<World>, router: Option<Endpoint>) -> CheckRunner {
    install_tls();
    CheckRunner::new(
        host,
        Arc::clone(world) as _,
        Arc::clone(world) as _,
        Arc::clone(world) as _,
        router.map(RouterEndpoint::Url),
    )
}

/// Runs all checks of a phase on one pod.
pub(crate) async fn run(host: PluginHost, phase: Phase, port: u16) -> Vec<Verdict> {
    let seen = Seen::default();
    let runner = runner(host, &Arc::default(), None);
    let verdicts = runner.run(phase, &context(vec![pod("llama-0", port)]), &seen).await;
    assert_eq!(
        seen.0.into_inner().unwrap().len(),
        verdicts.len(),
        "each verdict is told as it comes"
    );
    verdicts
}

/// Runs one component of the tests, which gives one verdict, and how long that took. Loading is not counted.
pub(crate) async fn run_one(name: &str, grants: &[&str], parameters: Value) -> (Verdict, Duration) {
    let host = host(name, grants, parameters);
    host.load().await.unwrap();
    let port = model_server(&[]).await;
    let start = Instant::now();
    let mut verdicts = run(host, Phase::Direct, port).await;
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    (verdicts.remove(0), start.elapsed())
}
