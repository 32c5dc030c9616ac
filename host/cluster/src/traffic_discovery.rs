//! What seems to send a release traffic: shown to people, who say what of it is to be used.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_engine::workload::Finding;
use vllm_rollback_objects::route::{LeadsTo, Route};
use vllm_rollback_objects::service::Service;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::services::Services;

/// Words in a container's image or command by which a router is known, its name for people, and the driver that holds a model
/// there; those without one are held by the Service behind them.
const ROUTERS: [(&str, &str, Option<&str>); 3] = [
    ("vllm-router", "a vllm-router", Some("vllm-router")),
    ("litellm", "a LiteLLM proxy", Some("litellm")),
    ("lmstack-router", "a production-stack router", None),
];

impl Cluster {
    /// Findings on the Services, routes and routers of this namespace. What this user may not list is left out.
    ///
    /// # Errors
    /// `Invalid` when the manifest cannot be read; `Forbidden`, `Unreachable` when the Services cannot be listed.
    pub async fn routing(&self, record: &ReleaseRecord) -> Result<Vec<Finding>, Failure> {
        let manifest = record.objects()?;
        let deployments = Resource::apps("deployments");
        let (services, routes, deployments) =
            tokio::join!(self.services(), self.routes(record, &[]), self.list(&deployments));
        let services = services?;
        let own = services.leading_to(&manifest);
        let mut found = vec![by_services(&own)];
        for route in routes.unwrap_or_default() {
            found.extend(by_route(&route, &own, self.namespace()));
        }
        let deployments = deployments.unwrap_or_default();
        let routers = deployments.iter().filter_map(|one| by_router(one, &services));
        found.extend(routers);
        Ok(found)
    }
}

fn found(message: String) -> Finding {
    Finding::ok("routing", message)
}

fn by_services(own: &[Service]) -> Finding {
    let list: Vec<String> = own
        .iter()
        .map(|service| {
            let gate = service.gate.as_deref().map(|gate| format!(", gate {gate}"));
            format!("{} ({}{})", service.name, service.kind, gate.unwrap_or_default())
        })
        .collect();
    found(match list.as_slice() {
        [] => "no Service leads to its pods".to_owned(),
        list => format!(
            "Services that lead to its pods: {}; --registry service holds the model there",
            list.join(", ")
        ),
    })
}

fn by_route(route: &Route, own: &[Service], namespace: &str) -> Option<Finding> {
    let is_own = |name: &str| own.iter().any(|service| service.name == name);
    let leads_here = |leads_to: &LeadsTo| match leads_to {
        LeadsTo::Service { namespace: there, name } => there == namespace && is_own(name),
        LeadsTo::Hosts(hosts) => hosts.iter().any(|host| {
            let mut parts = host.split(['.', ':']);
            parts.next().is_some_and(is_own) && parts.next() == Some(namespace)
        }),
        LeadsTo::OwnPods => true,
        LeadsTo::Elsewhere => false,
    };
    let weights: Vec<String> = route
        .backends
        .iter()
        .filter(|backend| leads_here(&backend.leads_to))
        .map(|backend| format!("{} weight {}", backend.name, backend.weight.unwrap_or(1)))
        .collect();
    let is_mirrored = route.mirrors.iter().any(leads_here);
    if weights.is_empty() && !is_mirrored {
        return None;
    }
    let mirror = if is_mirrored { ", with a mirror of requests" } else { "" };
    Some(found(format!(
        "{} sends it traffic ({}{mirror}); --registry route holds the model there",
        route.id,
        weights.join(", ")
    )))
}

fn by_router(deployment: &Value, services: &Services) -> Option<Finding> {
    let template = &deployment["spec"]["template"];
    let containers = template["spec"]["containers"].as_array()?;
    let words = containers.iter().flat_map(|container| {
        let lists = [&container["command"], &container["args"]]
            .into_iter()
            .filter_map(Value::as_array);
        std::iter::once(&container["image"]).chain(lists.flatten())
    });
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    let (seen, (_, what, driver)) = words.iter().find_map(|word| {
        let router = ROUTERS.iter().find(|(known, ..)| word.contains(known))?;
        Some((*word, *router))
    })?;
    let name = deployment["metadata"]["name"].as_str()?;
    let behind = services.selecting(&template["metadata"]["labels"]);
    let held = match (driver, behind.first()) {
        (Some(driver), Some(service)) => {
            format!("if it routes the model: --registry {driver} --router-service {service}")
        }
        (Some(driver), None) => format!("if it routes the model: --registry {driver}"),
        (None, _) => "if it routes the model, it is held behind it: --registry service".to_owned(),
    };
    let seen: String = seen.chars().filter(|c| !c.is_control()).take(80).collect();
    Some(found(format!("Deployment/{name} seems to be {what} ({seen}); {held}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vllm_rollback_objects::route::{Backend, Observed, RouteId, RouteKind};

    fn own() -> Vec<Service> {
        vec![Service {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![8000],
            kind: "ClusterIP".into(),
            gate: Some("closed".into()),
        }]
    }

    fn route(leads_to: LeadsTo) -> Route {
        Route {
            id: RouteId {
                kind: RouteKind::Http,
                namespace: "ml".into(),
                name: "chat".into(),
            },
            resource_version: "1".into(),
            backends: vec![Backend {
                rule: 0,
                index: 0,
                name: "Service ml/llama:8000".into(),
                weight: Some(3),
                leads_to,
            }],
            requests: Vec::new(),
            mirrors: Vec::new(),
            controller: None,
            release: None,
            observed: Observed::Accepted(String::new()),
            managers: Vec::new(),
        }
    }

    #[test]
    fn services_and_routes_are_told_with_what_was_seen() {
        let line = by_services(&own()).message;
        assert!(line.contains("llama (ClusterIP, gate closed)"), "{line}");
        assert!(by_services(&[]).message.starts_with("no Service"));
        let here = LeadsTo::Service {
            namespace: "ml".into(),
            name: "llama".into(),
        };
        let line = by_route(&route(here), &own(), "ml").unwrap().message;
        assert!(
            line.contains("HTTPRoute ml/chat") && line.contains("weight 3"),
            "{line}"
        );
        let host = |host: &str| by_route(&route(LeadsTo::Hosts(vec![host.to_owned()])), &own(), "ml");
        assert!(host("llama.ml.svc.cluster.local:8000").is_some());
        assert!(host("llama.other.svc:8000").is_none() && host("llamas.ml:8000").is_none());
    }

    #[test]
    fn a_router_is_known_by_its_image_or_command_and_a_model_server_is_none() {
        let services = Services(vec![
            json!({"metadata": {"name": "front"}, "spec": {"selector": {"app": "r"}}}),
        ]);
        let deployment = |image: &str, command: &[&str]| {
            json!({"metadata": {"name": "r"}, "spec": {"template": {
                "metadata": {"labels": {"app": "r"}},
                "spec": {"containers": [{"image": image, "command": command}]},
            }}})
        };
        let line = by_router(&deployment("ghcr.io/berriai/litellm:v1", &[]), &services)
            .unwrap()
            .message;
        assert!(
            line.contains("LiteLLM") && line.contains("--router-service front"),
            "{line}"
        );
        assert!(by_router(&deployment("python:3", &["/bin/vllm-router"]), &services).is_some());
        assert!(by_router(&deployment("vllm/vllm-openai:v0.9", &["vllm", "serve"]), &services).is_none());
    }
}
