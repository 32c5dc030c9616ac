//! Where a Service sends traffic, as its EndpointSlices say.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use vllm_rollback_engine::failure::Failure;

use crate::api::Resource;
use crate::api::watch::{WatchUpdate, watch};
use crate::connect::Cluster;
use crate::pods::{list, name, text};

/// An address that gets a Service's traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// `10.244.0.7:8000`.
    pub address: String,
    /// UID of the pod behind it, when it is a pod.
    pub pod_uid: Option<String>,
    /// Name of the pod behind it.
    pub pod: Option<String>,
}

impl Cluster {
    /// The addresses that get the Service's traffic now: ready, or serving although terminating.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub async fn ready_endpoints(&self, service: &str) -> Result<Vec<Endpoint>, Failure> {
        let path = endpoint_slices().collection(Some(self.namespace()));
        let listed = self.api().list(&path, &[("labelSelector", &selector(service))]).await;
        listed
            .map(|listed| serving(listed.items.iter()))
            .map_err(|e| e.into_failure(format!("cannot read the endpoints of Service/{service}")))
    }
}

/// Waits until the Service's endpoints are as `wanted` says, and returns them. Watched, not polled.
///
/// # Errors
/// `Timeout` with the endpoints last seen; `Forbidden`, `Unreachable` when they cannot be watched.
pub(super) async fn wait(
    cluster: &Cluster,
    service: &str,
    deadline: Duration,
    wanted: impl Fn(&[Endpoint]) -> bool + Send,
) -> Result<Vec<Endpoint>, Failure> {
    let query = vec![("labelSelector", selector(service))];
    let (out, changes) = mpsc::channel(64);
    let path = endpoint_slices().collection(Some(cluster.namespace()));
    watch(cluster.api().clone(), path, query, (), out);
    settle(service, changes, Instant::now() + deadline, wanted).await
}

pub(crate) fn endpoint_slices() -> Resource {
    Resource::new("discovery.k8s.io", "v1", "endpointslices")
}

fn selector(service: &str) -> String {
    format!("kubernetes.io/service-name={service}")
}

async fn settle(
    service: &str,
    mut changes: mpsc::Receiver<((), WatchUpdate)>,
    end: Instant,
    wanted: impl Fn(&[Endpoint]) -> bool,
) -> Result<Vec<Endpoint>, Failure> {
    let mut slices: Vec<Value> = Vec::new();
    let mut seen: Option<Vec<Endpoint>> = None;
    loop {
        let change = match tokio::time::timeout_at(end, changes.recv()).await {
            Ok(Some(((), change))) => change,
            Ok(None) | Err(_) => return Err(timed_out(service, seen.as_deref())),
        };
        match change {
            WatchUpdate::Listed(items) => slices = items,
            WatchUpdate::Applied(slice) => {
                slices.retain(|known| name(known) != name(&slice));
                slices.push(*slice);
            }
            WatchUpdate::Deleted(slice) => slices.retain(|known| name(known) != name(&slice)),
            WatchUpdate::Failed(error) => {
                return Err(error.into_failure(format!("cannot watch the endpoints of Service/{service}")));
            }
        }
        let now = serving(slices.iter());
        if wanted(&now) {
            return Ok(now);
        }
        seen = Some(now);
    }
}

fn timed_out(service: &str, seen: Option<&[Endpoint]>) -> Failure {
    let list = match seen {
        None => "they could not be read in time".to_owned(),
        Some([]) => "it has none".to_owned(),
        Some(all) => {
            let names: Vec<_> = all.iter().map(|e| e.address.as_str()).collect();
            format!("it has {}", names.join(", "))
        }
    };
    Failure::timeout(format!("the endpoints of Service/{service} did not settle in time"))
        .because(list)
        .next(format!("kubectl get endpointslices -l {}", selector(service)))
}

/// A null condition means true, except `terminating` (KEP-752). kube-proxy falls back to serving, terminating endpoints
/// when no other is ready (KEP-1669), so those count too.
fn serving<'a>(slices: impl Iterator<Item = &'a Value>) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for slice in slices {
        let port = list(&slice["ports"]).iter().find_map(|p| p["port"].as_u64());
        for endpoint in list(&slice["endpoints"]) {
            let conditions = &endpoint["conditions"];
            let ready = conditions["ready"].as_bool().unwrap_or(true);
            let serving = conditions["serving"].as_bool().unwrap_or(ready);
            if !(ready || serving) {
                continue;
            }
            let pod = Some(&endpoint["targetRef"]).filter(|target| target["kind"] == "Pod");
            let of_pod = |key: &str| pod.and_then(|pod| pod[key].as_str()).map(str::to_owned);
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            for address in list(&endpoint["addresses"]).iter().map(text) {
                let is_v6 = address.contains(':');
                let (open, close) = if is_v6 { ("[", "]") } else { ("", "") };
                found.push(Endpoint {
                    address: format!("{open}{address}{close}{port}"),
                    pod_uid: of_pod("uid"),
                    pod: of_pod("name"),
                });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;
    use serde_json::json;

    fn slice(conditions: &Value) -> Value {
        json!({"metadata": {"name": "s"}, "ports": [{"port": 8000}], "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": conditions,
             "targetRef": {"kind": "Pod", "name": "p", "uid": "u"}}]})
    }

    fn addresses(conditions: &Value) -> Vec<String> {
        serving([slice(conditions)].iter())
            .into_iter()
            .map(|e| e.address)
            .collect()
    }

    #[test]
    fn ready_and_terminating_but_serving_endpoints_get_traffic() {
        assert_eq!(addresses(&json!({"ready": true})), ["10.0.0.1:8000"]);
        assert_eq!(addresses(&json!({})), ["10.0.0.1:8000"]);
        assert_eq!(
            addresses(&json!({"ready": false, "serving": true, "terminating": true})),
            ["10.0.0.1:8000"]
        );
        assert!(addresses(&json!({"ready": false, "serving": false})).is_empty());
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_last_slice_is_gone() {
        let (send, changes) = mpsc::channel(4);
        let full = slice(&json!({"ready": true}));
        send.send(((), WatchUpdate::Listed(vec![full.clone()]))).await.unwrap();
        send.send(((), WatchUpdate::Deleted(Box::new(full)))).await.unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let found = settle("svc", changes, end, |now| now.is_empty()).await.unwrap();
        assert!(found.is_empty());
    }

    #[tokio::test]
    async fn a_wait_that_times_out_names_what_it_saw() {
        let (send, changes) = mpsc::channel(4);
        send.send(((), WatchUpdate::Listed(vec![slice(&json!({"ready": true}))])))
            .await
            .unwrap();
        let end = Instant::now();
        let failure = settle("svc", changes, end, |now| now.is_empty()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert!(failure.to_string().contains("10.0.0.1:8000"), "{failure}");
    }
}
