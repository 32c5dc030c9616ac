//! Whether the Service gate can close every way to the target's pods before helm makes one.

use serde_json::Value;
use vllm_rollback_engine::workload::Finding;
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::manifest::Manifest;

use crate::connect::Cluster;
use crate::gate::endpoint_slices;
use crate::mapping::Mapper;
use crate::pods::{self, list, text};
use crate::view::LiveWorkload;

/// A Service that does not exist yet cannot be closed, and helm makes it open: clients would reach the pods before any
/// check has looked at them.
pub(super) async fn inspect(
    cluster: &Cluster,
    mapper: &Mapper,
    target: &Manifest,
    live: &[LiveWorkload],
) -> Vec<Finding> {
    let (mut found, by_hand) = tokio::join!(services(mapper, target), by_hand(cluster, live));
    found.extend(by_hand);
    found
}

async fn services(mapper: &Mapper, target: &Manifest) -> Vec<Finding> {
    let services = target.services();
    let looks = services.iter().map(|service| async {
        let live = mapper.live(service.object).await;
        evaluate(service.object, live.map(|live| live.is_some()).ok())
    });
    futures::future::join_all(looks).await.into_iter().flatten().collect()
}

/// EndpointSlices that somebody else than the control plane's own controller keeps, or that mirror Endpoints, follow no selector.
async fn by_hand(cluster: &Cluster, live: &[LiveWorkload]) -> Vec<Finding> {
    match cluster.list(&endpoint_slices()).await {
        Ok(slices) => {
            let addresses: Vec<&str> = live.iter().flat_map(|live| &live.pods).filter_map(pods::ip).collect();
            let judged = slices.iter().filter_map(|slice| judge_slice(slice, &addresses));
            judged.collect()
        }
        Err(error) => {
            let why = error.text();
            let text = format!("whether something leads to the pods by hand cannot be read: {why}");
            vec![Finding::unknown("traffic", text)]
        }
    }
}

fn judge_slice(slice: &Value, addresses: &[&str]) -> Option<Finding> {
    let metadata = &slice["metadata"];
    if metadata["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io" {
        return None;
    }
    let endpoints = list(&slice["endpoints"]).iter();
    let mut listed = endpoints.flat_map(|endpoint| list(&endpoint["addresses"])).map(text);
    let address = listed.find(|address| addresses.contains(address))?;
    let service = metadata["labels"]["kubernetes.io/service-name"].as_str().unwrap_or("?");
    let text = format!(
        "EndpointSlice/{} of Service/{service} leads to the pod at {address} without a selector: no gate closes it",
        metadata["name"].as_str().unwrap_or("?")
    );
    Some(
        Finding::refuse("traffic", text)
            .next(format!("give Service/{service} a selector, or take its endpoints away"))
            .next("or take the model out of traffic elsewhere: --registry postgres"),
    )
}

/// `exists` is none when the cluster did not say.
fn evaluate(service: &Object, exists: Option<bool>) -> Option<Finding> {
    let label = service.label();
    match exists {
        Some(true) => None,
        None => {
            let text =
                format!("whether {label} exists cannot be read, so it is not known whether its gate can be closed");
            Some(Finding::unknown("traffic", text))
        }
        Some(false) => {
            let text = format!(
                "{label} does not exist now, and the rollback would create it open: clients would reach the pods before the checks have proved them"
            );
            let found = Finding::refuse("traffic", text)
                .next("bring it back into the release first: helm upgrade with a chart that has it")
                .next("or take the model out of traffic elsewhere: --registry postgres")
                .next("or accept that nothing holds clients back: --registry none");
            Some(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vllm_rollback_engine::workload::Severity;

    #[test]
    fn endpoints_by_hand_that_lead_to_a_pod_are_refused_and_those_of_the_controller_are_not() {
        let slice = |manager: &str| {
            serde_json::json!({
                "metadata": {"name": "s-1", "labels": {
                    "kubernetes.io/service-name": "s", "endpointslice.kubernetes.io/managed-by": manager}},
                "endpoints": [{"addresses": ["10.0.0.7"]}],
            })
        };
        let refused = judge_slice(&slice("endpointslicemirroring-controller.k8s.io"), &["10.0.0.7"]).unwrap();
        assert_eq!(refused.severity, Severity::Refuse);
        assert!(judge_slice(&slice("me"), &["10.0.0.8"]).is_none());
        assert!(judge_slice(&slice("endpointslice-controller.k8s.io"), &["10.0.0.7"]).is_none());
    }

    #[test]
    fn a_service_that_helm_would_make_is_refused_and_one_that_exists_is_not() {
        let manifest = Manifest::parse("{apiVersion: v1, kind: Service, metadata: {name: s}}", "ml").unwrap();
        let service = &manifest.objects[0];
        assert_eq!(evaluate(service, Some(true)), None);
        let refused = evaluate(service, Some(false)).unwrap();
        assert_eq!(refused.severity, Severity::Refuse);
        assert!(
            refused.message.starts_with("Service/s does not exist now"),
            "{}",
            refused.message
        );
        assert_eq!(evaluate(service, None).unwrap().severity, Severity::Unknown);
    }
}
