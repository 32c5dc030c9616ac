//! Whether a node already has the target's images. The registry itself cannot be asked with the kubelet's credentials.

use serde_json::Value;
use vllm_rollback_engine::workload::Finding;
use vllm_rollback_objects::manifest::Manifest;

use crate::api::{ApiError, Listed};
use crate::pods::list;

pub(super) fn inspect(target: &Manifest, nodes: &Result<Listed, ApiError>) -> Vec<Finding> {
    let mut images: Vec<&str> = target
        .workloads()
        .iter()
        .flat_map(|w| w.containers().filter_map(|c| c["image"].as_str()))
        .collect();
    images.sort_unstable();
    images.dedup();
    let nodes = match nodes {
        Ok(nodes) => nodes.items.as_slice(),
        Err(_) => &[],
    };
    images.into_iter().map(|image| evaluate(image, nodes)).collect()
}

fn evaluate(image: &str, nodes: &[Value]) -> Finding {
    let having = nodes
        .iter()
        .filter(|node| {
            let names = list(&node["status"]["images"]).iter();
            let mut names = names.flat_map(|i| list(&i["names"]).iter());
            names.any(|name| name.as_str().is_some_and(|name| is_same(name, image)))
        })
        .count();
    if having > 0 {
        return Finding::ok("image", format!("{having} nodes have an image named {image}"));
    }
    Finding::unknown(
        "image",
        format!("no node is known to have the image {image}, so whether it can still be pulled is not known"),
    )
}

/// Nodes name images in full; a chart may leave out the registry and the tag `latest`.
fn is_same(on_node: &str, wanted: &str) -> bool {
    let last = wanted.rsplit('/').next().unwrap_or_default();
    let wanted = if last.contains([':', '@']) {
        wanted.to_owned()
    } else {
        format!("{wanted}:latest")
    };
    on_node == wanted
        || on_node
            .strip_suffix(&wanted)
            .is_some_and(|registry| registry.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vllm_rollback_engine::workload::Severity;

    #[test]
    fn a_short_name_means_the_same_image_as_the_nodes_full_one() {
        for (on_node, wanted, same) in [
            ("reg.example/library/vllm:latest", "vllm", true),
            ("reg.example/vllm/vllm-openai:v0.9", "vllm/vllm-openai:v0.9", true),
            ("reg.example:5000/a@sha256:00", "reg.example:5000/a@sha256:00", true),
            ("reg.example/notvllm:latest", "vllm", false),
            ("reg.example/vllm:v1", "vllm", false),
        ] {
            assert_eq!(is_same(on_node, wanted), same, "{on_node} {wanted}");
        }
    }

    #[test]
    fn an_image_on_no_node_is_unknown_and_not_missing() {
        let node = json!({"status": {"images": [{"names": ["reg.example/vllm/vllm-openai:v1"]}]}});
        assert_eq!(
            evaluate("vllm/vllm-openai:v1", std::slice::from_ref(&node)).severity,
            Severity::Ok
        );
        assert_eq!(evaluate("vllm/vllm-openai:v2", &[node]).severity, Severity::Unknown);
    }
}
