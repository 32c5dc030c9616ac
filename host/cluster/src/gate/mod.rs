//! The Service gate: a foreign key in a Service's selector, so that it selects no pod until the key is removed.
//!
//! Helm 3's three-way merge keeps the key through a rollback; Helm 4 keeps it with `--server-side=false`
//! (both tried with helm 3.22.0 and 4.3.1).

mod endpoints;
mod pod_labels;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::{ReleaseEndpoints, ServiceSelectors, Wanted};
use vllm_rollback_objects::service::Gate;

pub use endpoints::Endpoint;
pub(crate) use endpoints::endpoint_slices;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::managed_fields::{TemporaryOwnership, helm_owner, managers, release_ownership_patch};
use crate::release::CurrentRelease;
use crate::services::GATE_KEY;

/// Whoever makes a Service writes both in one object.
const SELECTOR: TemporaryOwnership = TemporaryOwnership {
    field: "selector",
    beside: "ports",
};

/// Number of times an open is tried when somebody else writes the Service at the same time.
const TRIES: usize = 10;

#[async_trait]
impl ServiceSelectors for CurrentRelease {
    async fn names(&self) -> Result<Vec<String>, Failure> {
        let found = self.services().await?;
        Ok(found.into_iter().map(|service| service.name).collect())
    }

    async fn read(&self, service: &str) -> Result<Option<Gate>, Failure> {
        let found = self.cluster.api().find(&path(&self.cluster, service)).await;
        found
            .map(|object| object.as_ref().map(gate))
            .map_err(|e| e.into_failure(format!("cannot read Service/{service}")))
    }

    /// Puts the key into the selector. Harmless when the gate is closed already with this value. A Service without
    /// selector is refused: a key would turn it into one that owns its endpoints.
    async fn close(&self, service: &str, value: &str) -> Result<(), WriteError> {
        let (api, path) = (self.cluster.api(), path(&self.cluster, service));
        let what = || format!("cannot close the gate of Service/{service}");
        let now = api.get(&path).await.map_err(|e| e.into_write_error(what()))?;
        if gate(&now).selector.is_empty() {
            let failure = Failure::refused(what())
                .because("it has no selector, so its endpoints are managed by somebody else")
                .next("use another registry driver: --registry postgres or --registry none");
            return Err(WriteError::Rejected(failure));
        }
        if now["spec"]["selector"][GATE_KEY] == value {
            return Ok(());
        }
        let patch = json!({ "spec": { "selector": { GATE_KEY: value } } });
        let closed = api.patch(&path, &patch).await;
        closed.map(drop).map_err(|e| e.into_write_error(what()))
    }

    /// Removes the key and our managedFields entry, so that the managers are as before. Harmless when the gate is open
    /// already; a conflict when others keep writing the Service.
    async fn open(&self, service: &str) -> Result<(), WriteError> {
        let (api, path) = (self.cluster.api(), path(&self.cluster, service));
        let what = || format!("cannot open the gate of Service/{service}");
        for _ in 0..TRIES {
            let now = api.get(&path).await.map_err(|e| e.into_failure(what()))?;
            let is_closed = now["spec"]["selector"].get(GATE_KEY).is_some();
            let opening =
                is_closed.then(|| json!({ "op": "remove", "path": format!("/spec/selector/{}", pointer(GATE_KEY)) }));
            let Some(patch) = release_ownership_patch(&now, SELECTOR, Vec::from_iter(opening)) else {
                return Ok(());
            };
            // The write itself may add an entry of ours anew, so the next turn looks again. A failed test is 422.
            match api.patch(&path, &patch).await {
                Ok(_) => {}
                Err(error) if error.is_conflict() || error.code == Some(422) => {
                    tracing::debug!("Service/{service} changed meanwhile: {}", error.text());
                }
                Err(error) => return Err(error.into_write_error(what())),
            }
        }
        let failure = Failure::conflict(what())
            .because(format!("somebody else changed it {TRIES} times in a row"))
            .next(format!(
                "kubectl get service {service} -n {} --show-managed-fields -o yaml",
                self.cluster.namespace()
            ));
        Err(failure.into())
    }

    async fn wait(&self, service: &str, deadline: Duration, wanted: Wanted) -> Result<Vec<String>, Failure> {
        let is_wanted = |endpoints: &[Endpoint]| match &wanted {
            Wanted::NoneBut(uids) => endpoints
                .iter()
                .all(|endpoint| endpoint.pod_uid.as_ref().is_some_and(|uid| uids.contains(uid))),
            Wanted::Some => !endpoints.is_empty(),
        };
        let endpoints = endpoints::wait(&self.cluster, service, deadline, is_wanted).await?;
        Ok(endpoints.into_iter().map(|endpoint| endpoint.address).collect())
    }

    async fn turned_client_side(&self) -> Result<bool, Failure> {
        self.current.turned_client_side().await
    }
}

fn path(cluster: &Cluster, service: &str) -> String {
    Resource::core("services").object(cluster.namespace(), service)
}

fn gate(service: &Value) -> Gate {
    let mut selector: BTreeMap<String, String> = service["spec"]["selector"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect();
    let value = selector.remove(GATE_KEY);
    Gate {
        selector,
        value,
        managers: managers(service),
        release: helm_owner(service),
    }
}

/// Escapes a key for a JSON pointer (RFC 6901).
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_slash_is_one_step_of_a_path() {
        assert_eq!(pointer(GATE_KEY), "rollback.vllm~1gate");
    }

    #[test]
    fn the_gates_key_is_told_apart_from_the_charts_selector() {
        let service = json!({"metadata": {"resourceVersion": "9", "annotations": {
            "meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ml"}},
            "spec": {"selector": {"app": "x", GATE_KEY: "run-1"}}});
        let gate = gate(&service);
        assert_eq!(gate.value.as_deref(), Some("run-1"));
        assert_eq!(gate.selector, BTreeMap::from([("app".to_owned(), "x".to_owned())]));
        assert_eq!(gate.release.unwrap().to_string(), "ml/r");
    }
}
