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

use bytes::Bytes;
use http::Request;
use tokio::time::Instant;

pub use exchange::{Answer, Deadlines, PodHttpError, Timings, Transport};

use crate::connect::Cluster;

/// An HTTP client for pods of one namespace.
#[derive(Clone)]
pub struct PodHttp {
    cluster: Cluster,
    limit: usize,
    idle: Arc<forward::Idle>,
    /// Port-forward was refused once; the proxy is asked at once from then on.
    only_proxy: Arc<AtomicBool>,
}

impl PodHttp {
    /// A client for the pods of the cluster's namespace; answers of up to 4 MiB.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            limit: 4 << 20,
            idle: Arc::default(),
            only_proxy: Arc::default(),
        }
    }

    /// Answers of up to so many bytes.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Sends a request to a pod's port. Only path and query of the URI count. The request is sent at most once, but for a
    /// GET whose reused connection turned out to be closed.
    ///
    /// # Errors
    /// See [`PodHttpError`].
    pub async fn send(
        &self,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> Result<Answer, PodHttpError> {
        let whole = self.try_both(pod, port, request, deadlines);
        match tokio::time::timeout(deadlines.total, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(PodHttpError::Timeout {
                phase: "end of the answer",
                after: deadlines.total,
            }),
        }
    }

    /// A GET with default headers.
    ///
    /// # Errors
    /// See [`PodHttpError`].
    pub async fn get(&self, pod: &str, port: u16, path: &str, deadlines: Deadlines) -> Result<Answer, PodHttpError> {
        let request = Request::get(path)
            .body(Bytes::new())
            .map_err(|e| PodHttpError::Unreachable(e.to_string()))?;
        self.send(pod, port, request, deadlines).await
    }

    async fn try_both(
        &self,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> Result<Answer, PodHttpError> {
        if !self.only_proxy.load(Ordering::Relaxed) {
            match self.forward(pod, port, request.clone(), deadlines).await {
                Ok(answer) => return Ok(answer),
                Err(forward::Broken::Exchange(error)) => return Err(error),
                Err(forward::Broken::Opening { denied, text }) => {
                    tracing::debug!("port-forward to {pod}:{port} cannot be opened, so the pod proxy is tried: {text}");
                    if denied {
                        self.only_proxy.store(true, Ordering::Relaxed);
                    }
                    return self
                        .proxy(pod, port, request, deadlines)
                        .await
                        .map_err(|error| match error {
                            PodHttpError::Denied(why) if denied => PodHttpError::Denied(format!("{text}; {why}")),
                            PodHttpError::Denied(_) => PodHttpError::Unreachable(text),
                            other => other,
                        });
                }
            }
        }
        self.proxy(pod, port, request, deadlines).await
    }

    async fn proxy(
        &self,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> Result<Answer, PodHttpError> {
        proxy::exchange(&self.cluster, pod, port, request, deadlines, self.limit).await
    }

    async fn forward(
        &self,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> Result<Answer, forward::Broken> {
        let repeatable = request.method().is_safe();
        if repeatable && let Some(connection) = self.idle.take(pod, port) {
            let sent = connection
                .exchange(request.clone(), Duration::ZERO, deadlines, self.limit)
                .await;
            match sent {
                // A closed connection says nothing about the pod, so a fresh one is asked.
                Err(PodHttpError::Unreachable(_)) => {}
                Err(error) => return Err(forward::Broken::Exchange(error)),
                Ok((answer, connection)) => {
                    self.idle.keep(pod, port, connection);
                    return Ok(answer);
                }
            }
        }
        let started = Instant::now();
        let connection = forward::Connection::open(&self.cluster, pod, port, deadlines.connect).await?;
        let (answer, connection) = connection
            .exchange(request, started.elapsed(), deadlines, self.limit)
            .await
            .map_err(forward::Broken::Exchange)?;
        self.idle.keep(pod, port, connection);
        Ok(answer)
    }
}
