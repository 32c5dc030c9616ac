//! HTTP/1.1 over one port-forward.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Fuse};
use http::{HeaderValue, header};
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::time::Instant;
use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_objects::http::{Request, Response};

use super::exchange::{answer, late, message};
use crate::api::ApiError;
use crate::connect::Cluster;

/// Time that the kubelet's own words are waited for after the stream broke; they travel apart from it.
const REASON_WAIT: Duration = Duration::from_millis(300);

/// Point at which a forward broke.
pub(super) enum Broken {
    /// Could not be opened, so another way may work.
    Opening { denied: bool, text: String },
    /// Was open; the pod itself is at fault, or a deadline passed.
    Exchange(HttpError),
}

impl Broken {
    fn opening(text: String) -> Self {
        Self::Opening { denied: false, text }
    }
}

/// A connection to a pod's port.
pub(super) struct Connection {
    send: SendRequest<Full<Bytes>>,
    /// Ends once with the kubelet's words when the forward fails; never otherwise.
    reason: Fuse<BoxFuture<'static, String>>,
    host: HeaderValue,
}

impl Connection {
    pub(super) async fn open(cluster: &Cluster, pod: &str, port: u16, limit: Duration) -> Result<Self, Broken> {
        let api: Api<Pod> = Api::namespaced(cluster.api().client(), cluster.namespace());
        let opening = async {
            let mut forwarder = api.portforward(pod, &[port]).await.map_err(|error| {
                let error = ApiError::from(error);
                if error.is_not_found() {
                    return Broken::Exchange(HttpError::Unreachable(error.text()));
                }
                Broken::Opening {
                    denied: error.is_forbidden(),
                    text: error.text(),
                }
            })?;
            let (Some(stream), Some(error)) = (forwarder.take_stream(port), forwarder.take_error(port)) else {
                return Err(Broken::opening(format!("port {port} was not forwarded")));
            };
            let reason = async move {
                match error.await {
                    Some(text) => text,
                    None => std::future::pending().await,
                }
            };
            let shaken = handshake(TokioIo::new(stream)).await;
            let (send, connection) = shaken.map_err(|error| Broken::opening(error.to_string()))?;
            // Ends with the sender.
            tokio::spawn(connection);
            Ok(Self {
                send,
                reason: reason.boxed().fuse(),
                host: HeaderValue::from_str(&format!("localhost:{port}"))
                    .unwrap_or(HeaderValue::from_static("localhost")),
            })
        };
        let late = || format!("no port-forward within {:.1} s", limit.as_secs_f64());
        let opened = tokio::time::timeout(limit, opening).await;
        opened.unwrap_or_else(|_| Err(Broken::opening(late())))
    }

    /// Sends a request and reads the whole answer; gives the connection back for the next one.
    pub(super) async fn exchange(mut self, request: Request) -> Result<(Response, Self), HttpError> {
        let mut message = message(&request, &request.path)?;
        if !message.headers().contains_key(header::HOST) {
            message.headers_mut().insert(header::HOST, self.host.clone());
        }
        let started = Instant::now();
        let sending = self.send.send_request(message.map(Full::new));
        let head = tokio::select! {
            biased;
            head = tokio::time::timeout(request.timeout, sending) => head,
            reason = &mut self.reason => return Err(HttpError::Unreachable(reason.trim().to_owned())),
        };
        let head = match head {
            Err(_) => return Err(late("answer", request.timeout)),
            Ok(Err(error)) => return Err(self.explained(error.to_string()).await),
            Ok(Ok(head)) => head,
        };
        let first_byte = started.elapsed();
        match answer(head, started, first_byte, request.max_response).await {
            Ok(answer) => Ok((answer, self)),
            Err(HttpError::Unreachable(text)) => Err(self.explained(text).await),
            Err(error) => Err(error),
        }
    }

    /// The kubelet knows why ("connection refused"); hyper only sees the stream end.
    async fn explained(&mut self, text: String) -> HttpError {
        let reason = tokio::time::timeout(REASON_WAIT, &mut self.reason).await;
        HttpError::Unreachable(reason.map_or(text, |reason| reason.trim().to_owned()))
    }
}

/// Connections that wait for their next request.
#[derive(Default)]
pub(super) struct Idle(Mutex<HashMap<(String, u16), Connection>>);

impl Idle {
    pub(super) fn take(&self, pod: &str, port: u16) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = idle.remove(&(pod.to_owned(), port))?;
        connection.send.is_ready().then_some(connection)
    }

    pub(super) fn keep(&self, pod: &str, port: u16, connection: Connection) {
        if !connection.send.is_closed() {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            idle.insert((pod.to_owned(), port), connection);
        }
    }
}
