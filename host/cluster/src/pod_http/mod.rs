//! HTTP to a pod's port, from outside the cluster.
//!
//! First way: port-forward, one WebSocket for each TCP connection. Second way, when that is forbidden or broken: the API
//! server's pod proxy, which drops `Authorization`. kube's port-forward has no deadline, sends no ping and tells the
//! reason of a failure apart from the stream, so deadlines and errors are made here.

mod exchange;
mod forward;
mod proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use vllm_rollback_engine::ports::checks::{HttpError, PodTargets};
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::PodAddress;

use crate::connect::Cluster;
use exchange::late;
use forward::Broken;

/// A connection to a pod that takes longer does not come at all.
const CONNECT: Duration = Duration::from_secs(10);

/// Most bytes of an answer where the caller does not say.
const MAX_RESPONSE: usize = 4 << 20;

/// An HTTP client for pods of one namespace.
#[derive(Clone)]
pub struct PodHttp {
    cluster: Cluster,
    idle: Arc<forward::Idle>,
    /// Port-forward was refused once; the proxy is asked at once from then on.
    only_proxy: Arc<AtomicBool>,
}

/// A pod is asked by its name; that it was not replaced by one of the same name meanwhile is seen by the engine, which compares
/// the serving pods' UIDs before and after the checks.
#[async_trait]
impl PodTargets for PodHttp {
    async fn send(&self, pod: &PodAddress, request: Request) -> Result<Response, HttpError> {
        PodHttp::send(self, &pod.name, pod.port, request).await
    }
}

impl PodHttp {
    /// A client for the pods of the cluster's namespace.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            idle: Arc::default(),
            only_proxy: Arc::default(),
        }
    }

    /// Sends a request to a pod's port; at most once, but for a GET whose reused connection turned out to be closed.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn send(&self, pod: &str, port: u16, request: Request) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        match tokio::time::timeout(timeout, self.try_both(pod, port, request)).await {
            Ok(Err(HttpError::Denied(why))) => Err(HttpError::Denied(format!("not allowed: {why}"))),
            Ok(answer) => answer,
            Err(_) => Err(late("end of the answer", timeout)),
        }
    }

    /// A GET with default headers.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub(crate) async fn get(&self, pod: &str, port: u16, path: &str, timeout: Duration) -> Result<Response, HttpError> {
        let request = Request {
            method: Method::GET,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            max_response: MAX_RESPONSE,
        };
        self.send(pod, port, request).await
    }

    async fn try_both(&self, pod: &str, port: u16, request: Request) -> Result<Response, HttpError> {
        if self.only_proxy.load(Ordering::Relaxed) {
            return proxy::exchange(&self.cluster, pod, port, request).await;
        }
        match self.forward(pod, port, request.clone()).await {
            Ok(answer) => Ok(answer),
            Err(Broken::Exchange(error)) => Err(error),
            Err(Broken::Opening { denied, text }) => {
                tracing::debug!("port-forward to {pod}:{port} cannot be opened, so the pod proxy is tried: {text}");
                self.only_proxy.fetch_or(denied, Ordering::Relaxed);
                let answer = proxy::exchange(&self.cluster, pod, port, request).await;
                answer.map_err(|error| match error {
                    HttpError::Denied(why) if denied => HttpError::Denied(format!("{text}; {why}")),
                    HttpError::Denied(_) => HttpError::Unreachable(text),
                    other => other,
                })
            }
        }
    }

    async fn forward(&self, pod: &str, port: u16, request: Request) -> Result<Response, Broken> {
        let repeatable = request.method.is_safe();
        if repeatable && let Some(connection) = self.idle.take(pod, port) {
            match connection.exchange(request.clone()).await {
                // A closed connection says nothing about the pod, so a fresh one is asked.
                Err(HttpError::Unreachable(_)) => {}
                Err(error) => return Err(Broken::Exchange(error)),
                Ok((answer, connection)) => {
                    self.idle.keep(pod, port, connection);
                    return Ok(answer);
                }
            }
        }
        let connect = CONNECT.min(request.timeout);
        let connection = forward::Connection::open(&self.cluster, pod, port, connect).await?;
        let exchanged = connection.exchange(request).await;
        let (answer, connection) = exchanged.map_err(Broken::Exchange)?;
        self.idle.keep(pod, port, connection);
        Ok(answer)
    }
}
