//! A replica's worker list: reading it, changing it, and telling whose a worker is.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_objects::http::{Request, Response, host};
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::service::Service;

use crate::release_endpoints::BackendKind;
use crate::router;

/// For what a replica answers out of its memory.
const SOON: Duration = Duration::from_secs(10);

/// An addition lasts until the router called the worker healthy; the checks did so before.
const ADD: Duration = Duration::from_secs(60);

/// A worker of this release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Worker {
    /// As the router lists it.
    pub(super) url: String,
    /// Part of the release that it leads to.
    pub(super) behind: BackendKind,
}

impl Worker {
    /// The worker that this URL is, when it is this release's.
    pub(super) fn of(url: &str, services: &[Service], pods: &[PodEndpoint]) -> Option<Self> {
        Some(Self {
            url: url.to_owned(),
            behind: BackendKind::of(url, services, pods)?,
        })
    }

    /// The same scheme and port at another host.
    pub(super) fn at(&self, ip: &str) -> Option<String> {
        host(&self.url).map(|host| self.url.replacen(host, ip, 1))
    }

    /// True when it has this URL; a slash at the end makes no difference.
    pub(super) fn is_at(&self, url: &str) -> bool {
        self.url.trim_end_matches('/') == url.trim_end_matches('/')
    }
}

/// The workers of a replica.
pub(super) async fn list(client: &dyn RouterClient, replica: &str) -> Result<Vec<String>, Failure> {
    let reply = client.send(replica, &Request::get("/list_workers", SOON)).await?;
    let listed = Some(reply.json()).filter(|_| reply.is_success());
    let urls = listed.and_then(|mut listed| serde_json::from_value::<Vec<String>>(listed["urls"].take()).ok());
    urls.ok_or_else(|| {
        Failure::invalid(format!("{replica} does not list its workers as a vllm-router does"))
            .because(reply.line())
            .next("check that a vllm-router of version 0.1.17 or later listens there")
    })
}

/// Takes a worker off the list. The answer says nothing: it is 200 for any URL.
pub(super) async fn remove(client: &dyn RouterClient, replica: &str, url: &str) -> Result<(), WriteError> {
    let reply = change(client, replica, "remove_worker", url, SOON).await?;
    if reply.is_success() {
        return Ok(());
    }
    Err(refused(replica, "remove", url, &reply))
}

/// Puts a worker onto the list; harmless when it is there. One that the router is still waiting for when its time is over
/// is looked up by the caller.
pub(super) async fn add(client: &dyn RouterClient, replica: &str, url: &str) -> Result<(), WriteError> {
    match change(client, replica, "add_worker", url, ADD).await {
        Ok(reply) if reply.is_success() || reply.text().contains("already exists") => Ok(()),
        Ok(reply) => Err(refused(replica, "add", url, &reply)),
        Err(failure) if failure.kind == FailureKind::Timeout => {
            let listed = list(client, replica).await?;
            if listed.iter().any(|listed| listed == url) {
                return Ok(());
            }
            let failure = failure
                .because(format!("vllm-router {replica} does not find {url} healthy"))
                .next(format!("curl -i {url}/health from where the router runs"));
            Err(failure.into())
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn change(
    client: &dyn RouterClient,
    replica: &str,
    call: &str,
    url: &str,
    timeout: Duration,
) -> Result<Response, Failure> {
    let path = format!("/{call}?url={}", utf8_percent_encode(url, NON_ALPHANUMERIC));
    client.send(replica, &Request::post(path, timeout)).await
}

fn refused(replica: &str, what: &str, url: &str, reply: &Response) -> WriteError {
    let kind = match reply.status {
        401 | 403 => FailureKind::Forbidden,
        _ => FailureKind::External,
    };
    let failure = Failure::new(kind, format!("vllm-router {replica} did not {what} the worker {url}"));
    router::written(reply, failure.because(reply.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Option<BackendKind> {
        let services = [Service {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![8000],
            ..Service::default()
        }];
        let pods = ["10.0.0.7", "fd00::7"].map(|ip| PodEndpoint {
            ip: ip.to_owned(),
            ready: true,
            serving: true,
            retained: false,
        });
        Worker::of(url, &services, &pods).map(|worker| worker.behind)
    }

    #[test]
    fn a_worker_is_the_releases_by_its_service_or_by_a_pods_address() {
        for url in ["http://llama.ml.svc.cluster.local:8000", "http://llama.ml:8000/"] {
            assert_eq!(of(url), Some(BackendKind::Service), "{url}");
        }
        for url in ["http://10.0.0.7:8000", "http://10.0.0.7", "http://[fd00::7]:8000"] {
            assert_eq!(of(url), Some(BackendKind::Pod), "{url}");
        }
        for url in [
            "http://10.0.0.71:8000",
            "http://other.ml:8000",
            "http://",
            "",
            "http://x/10.0.0.7",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn another_pods_worker_has_the_same_scheme_and_port() {
        let worker = Worker {
            url: "https://10.0.0.7:8443".into(),
            behind: BackendKind::Pod,
        };
        assert_eq!(worker.at("10.0.0.8").unwrap(), "https://10.0.0.8:8443");
        assert!(worker.is_at("https://10.0.0.7:8443/"));
    }
}
