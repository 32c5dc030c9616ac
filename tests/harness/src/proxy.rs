//! A proxy in front of the API server. It sees every call of whoever uses its kubeconfig, and can answer, delay, drop or
//! kill at any of them. It speaks plain HTTP on loopback and adds the administrator's token, so that Helm and the tool
//! use it alike.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
pub use hyper::StatusCode;
use hyper::body::{Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::http;
use crate::testbed::Testbed;

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The tool.
    Tool,
    /// A Helm process.
    Helm,
    /// Anybody else.
    Other,
}

/// A call to the API server.
#[derive(Debug, Clone)]
pub struct Call {
    /// Counts the calls that change something, from 1; 0 for one that does not.
    pub change: usize,
    /// Who makes it.
    pub by: Caller,
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The bearer token that the caller showed; empty without one.
    pub token: String,
    /// What it sends.
    pub body: Bytes,
}

/// When the proxy asks what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The API server has not seen it.
    Before,
    /// The API server did it; the caller has no answer yet.
    After,
}

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Goes on.
    Pass,
    /// Closes the connection without an answer.
    Drop,
    /// Answers itself, as an API server would that fails so.
    Answer(StatusCode),
    /// Goes on after a while.
    Delay(Duration),
    /// The answer begins and then nothing comes: a watch without events, a port-forward without bytes.
    Silence,
}

/// Decides at each call.
pub type Hook = Arc<dyn Fn(&Call, Moment) -> Act + Send + Sync>;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A running proxy; it ends with this value.
pub struct ApiProxy {
    kubeconfig: PathBuf,
    _dir: tempfile::TempDir,
    // Dropped in the background: its tasks may wait for a watch.
    runtime: Option<tokio::runtime::Runtime>,
}

struct Upstream {
    server: String,
    token: String,
    client: reqwest::Client,
    hook: Hook,
    changes: AtomicUsize,
}

/// What the hook made of a moment.
enum Done {
    Passed,
    Answered(Response<Body>),
    Silenced,
}

/// The hook wants no answer to be sent.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

impl ApiProxy {
    /// Starts one in front of this cluster.
    ///
    /// # Panics
    /// When the machine does not let it.
    pub fn start(testbed: &Testbed, hook: Hook) -> Self {
        let (server, ca, token) = testbed.api().credentials();
        let pem = std::fs::read(ca).expect("the cluster's CA is there");
        let certificate = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        // Watches have no end of their own.
        let client = http::client(Duration::from_secs(3600))
            .tls_certs_only([certificate])
            .build()
            .expect("a client");
        let upstream = Arc::new(Upstream {
            server,
            token,
            client,
            hook,
            changes: AtomicUsize::new(0),
        });
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        runtime.spawn(accept(listener, upstream));
        let dir = tempfile::tempdir().expect("a temporary directory");
        let kubeconfig = dir.path().join("kubeconfig");
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).expect("the temporary directory is writable");
        Self {
            kubeconfig,
            _dir: dir,
            runtime: Some(runtime),
        }
    }

    /// Credentials that lead through it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Upstream>) {
    while let Ok((stream, _)) = listener.accept().await {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let upstream = Arc::clone(&upstream);
                async move { upstream.answer(request).await }
            });
            // A connection that breaks is what some hooks want.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

impl Upstream {
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        let upgrade = request
            .headers()
            .contains_key(UPGRADE)
            .then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
        let call = self.call(&head, body);
        let mut is_silent = false;
        match self.act(&call, Moment::Before).await? {
            Done::Answered(answer) => return Ok(answer),
            Done::Silenced => is_silent = true,
            Done::Passed => {}
        }
        let answer = match self.forward(&head, call.body.clone()).await {
            Ok(answer) => answer,
            Err(error) => return Ok(own(StatusCode::BAD_GATEWAY, error.to_string())),
        };
        match self.act(&call, Moment::After).await? {
            Done::Answered(answer) => return Ok(answer),
            Done::Silenced => is_silent = true,
            Done::Passed => {}
        }
        let status = answer.status();
        let mut response = Response::builder().status(status);
        let is_upgrade = status == StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in answer.headers() {
            if is_upgrade || !is_of_the_hop(name) {
                response = response.header(name, value);
            }
        }
        let body = match upgrade {
            Some(client) if is_upgrade && is_silent => {
                tokio::spawn(keep_open(client));
                empty()
            }
            Some(client) if is_upgrade => {
                tokio::spawn(tunnel(client, answer));
                empty()
            }
            _ if is_silent => StreamBody::new(futures::stream::pending()).boxed_unsync(),
            _ => {
                let stream = answer.bytes_stream().map_ok(Frame::data).map_err(std::io::Error::other);
                BodyExt::boxed_unsync(StreamBody::new(stream))
            }
        };
        Ok(response
            .body(body)
            .unwrap_or_else(|error| own(StatusCode::BAD_GATEWAY, error.to_string())))
    }

    fn call(&self, head: &Parts, body: Bytes) -> Call {
        let text = |name| {
            let value = head
                .headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok());
            value.unwrap_or_default()
        };
        let agent = text(USER_AGENT);
        let path = head.uri.to_string();
        let asks_only = path.contains("/selfsubject") || path.contains("dryRun=All") || path.contains("/portforward");
        let changes = !matches!(head.method, Method::GET | Method::HEAD) && !asks_only;
        Call {
            change: if changes {
                self.changes.fetch_add(1, Ordering::SeqCst) + 1
            } else {
                0
            },
            by: match agent {
                agent if agent.starts_with("kubectl-vllm_rollback") => Caller::Tool,
                agent if agent.to_ascii_lowercase().contains("helm") => Caller::Helm,
                _ => Caller::Other,
            },
            method: head.method.to_string(),
            path,
            token: text(AUTHORIZATION).trim_start_matches("Bearer ").to_owned(),
            body,
        }
    }

    async fn act(&self, call: &Call, moment: Moment) -> Result<Done, Dropped> {
        match (self.hook)(call, moment) {
            Act::Pass => Ok(Done::Passed),
            Act::Drop => Err(Dropped),
            Act::Answer(status) => Ok(Done::Answered(failure(status))),
            Act::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(Done::Passed)
            }
            Act::Silence => Ok(Done::Silenced),
        }
    }

    async fn forward(&self, head: &Parts, body: Bytes) -> Result<reqwest::Response, reqwest::Error> {
        let mut forwarded = self
            .client
            .request(head.method.clone(), format!("{}{}", self.server, head.uri))
            .bearer_auth(&self.token)
            .body(body);
        let is_upgrade = head.headers.contains_key(UPGRADE);
        for (name, value) in &head.headers {
            let is_kept = is_upgrade && (name == CONNECTION || name == UPGRADE);
            if name != HOST && name != AUTHORIZATION && (is_kept || !is_of_the_hop(name)) {
                forwarded = forwarded.header(name, value);
            }
        }
        forwarded.send().await
    }
}

async fn tunnel(client: hyper::upgrade::OnUpgrade, server: reqwest::Response) {
    let (Ok(client), Ok(mut server)) = (client.await, server.upgrade().await) else {
        return;
    };
    let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
}

/// A connection on which nothing comes.
async fn keep_open(client: hyper::upgrade::OnUpgrade) {
    let _client = client.await;
    std::future::pending::<()>().await;
}

/// Headers that concern one connection only.
fn is_of_the_hop(name: &HeaderName) -> bool {
    name == CONNECTION || name == TRANSFER_ENCODING || name == CONTENT_LENGTH || name == UPGRADE
}

fn own(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(never).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn failure(status: StatusCode) -> Response<Body> {
    if status == StatusCode::TOO_MANY_REQUESTS {
        // As the API server itself answers when it is busy: text, and how long to wait in the header alone.
        let mut response = own(status, "Too many requests, please try again later.".to_owned());
        let seconds = HeaderValue::from_static("2");
        response.headers_mut().insert(hyper::header::RETRY_AFTER, seconds);
        return response;
    }
    let reason = match status.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        409 => "Conflict",
        410 => "Expired",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let object = serde_json::json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status.as_u16(),
        "reason": reason,
        "message": "a fault of the test",
    });
    let mut response = own(status, object.to_string());
    let headers = response.headers_mut();
    headers.insert(
        hyper::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(hyper::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn empty() -> Body {
    Full::new(Bytes::new()).map_err(never).boxed_unsync()
}

fn never(never: Infallible) -> std::io::Error {
    match never {}
}
