//! The kinds that a gateway knows, as they are published and as small as the tests allow.
//!
//! Written after gateway-api at 4564255 (HTTPRoute v1), gateway-api-inference-extension at 84436a9 (InferencePool v1),
//! Envoy AI Gateway v1.1.0 (AIGatewayRoute and AIServiceBackend v1beta1, v1alpha1) and Envoy Gateway at d32f282 (Backend
//! v1alpha1). What decides how a write merges is theirs exactly: atomic lists, defaults, the status subresource.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::testbed::Testbed;

const ALL: [&str; 3] = [
    include_str!("crds/httproutes.yaml"),
    include_str!("crds/inferencepools.yaml"),
    include_str!("crds/aigateway.yaml"),
];

const NAMES: [&str; 5] = [
    "crd/httproutes.gateway.networking.k8s.io",
    "crd/inferencepools.inference.networking.k8s.io",
    "crd/aigatewayroutes.aigateway.envoyproxy.io",
    "crd/aiservicebackends.aigateway.envoyproxy.io",
    "crd/backends.gateway.envoyproxy.io",
];

/// Makes them known to the API server; at once when they are.
///
/// # Panics
/// When the server refuses them.
pub fn install(testbed: &Testbed) {
    static THERE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut there = THERE.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = testbed.kubeconfig().to_owned();
    if there.contains(&cluster) {
        return;
    }
    let kubectl = testbed.kubectl();
    kubectl.apply(&ALL.join("---\n"));
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"];
    kubectl.run(&[&wait[..], &NAMES].concat());
    there.push(cluster);
}
