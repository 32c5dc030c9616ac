//! What a call needs in RBAC, and Roles made of that.

use std::collections::{BTreeMap, BTreeSet};

use crate::proxy::Call;

/// A permission that a Role of the namespace can give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Empty for the core group.
    pub group: String,
    /// `pods`, `pods/log`.
    pub resource: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// What a call to this namespace needs. None for discovery, for reviews of one's own access, which everybody may make,
/// and for objects outside the namespace, which no Role gives.
pub fn needed(call: &Call, namespace: &str) -> Vec<Permission> {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Vec::new(),
    };
    let ["namespaces", place, resource, rest @ ..] = rest else {
        return Vec::new();
    };
    if *place != namespace {
        return Vec::new();
    }
    let is_one = !rest.is_empty();
    let verb = match call.method.as_str() {
        "GET" | "HEAD" if query.contains("watch=true") || query.contains("watch=1") => "watch",
        "GET" | "HEAD" if is_one => "get",
        "GET" | "HEAD" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if is_one => "delete",
        _ => "deletecollection",
    };
    let resource = match rest {
        [_, sub, ..] => format!("{resource}/{sub}"),
        _ => (*resource).to_owned(),
    };
    // A connection that is upgraded is `get`, and since Kubernetes 1.35 also `create` (k/k#134577).
    let verbs: &[&str] = if matches!(resource.as_str(), "pods/portforward" | "pods/proxy") {
        &["get", "create"]
    } else {
        &[verb]
    };
    verbs
        .iter()
        .map(|verb| Permission {
            group: group.to_owned(),
            resource: resource.clone(),
            verb: (*verb).to_owned(),
        })
        .collect()
}

/// A Role with these permissions and this comment, as a file.
pub fn role(name: &str, comment: &str, permissions: &BTreeSet<Permission>) -> String {
    let mut by_resource: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for permission in permissions {
        let verbs = by_resource
            .entry((&permission.group, &permission.resource))
            .or_default();
        verbs.insert(&permission.verb);
    }
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in by_resource {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    let mut text =
        format!("{comment}apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: {name}\nrules:\n");
    for ((group, verbs), resources) in rules {
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let group = if group.is_empty() { "\"\"" } else { group };
        text.push_str(&format!(
            "  - apiGroups: [{group}]\n    resources: [{}]\n    verbs: [{}]\n",
            resources.join(", "),
            verbs.join(", ")
        ));
    }
    text
}

/// The permissions of a Role as the API server has it.
pub fn permissions(role: &serde_json::Value) -> BTreeSet<Permission> {
    let words = |rule: &serde_json::Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().cloned().unwrap_or_default();
        list.iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    let mut found = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                for verb in words(rule, "verbs") {
                    let (group, resource) = (group.clone(), resource.clone());
                    found.insert(Permission { group, resource, verb });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Caller;

    fn of(method: &str, path: &str) -> Vec<String> {
        let call = Call {
            change: 0,
            by: Caller::Tool,
            method: method.to_owned(),
            path: path.to_owned(),
            token: String::new(),
            body: bytes::Bytes::new(),
        };
        needed(&call, "ml").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_call_needs_what_the_api_server_would_ask_for() {
        assert_eq!(of("GET", "/api/v1/namespaces/ml/pods?limit=500"), ["list pods"]);
        assert_eq!(of("GET", "/api/v1/namespaces/ml/pods?watch=true"), ["watch pods"]);
        assert_eq!(
            of("GET", "/api/v1/namespaces/ml/pods/a/log?tailLines=5"),
            ["get pods/log"]
        );
        assert_eq!(
            of("PATCH", "/apis/apps/v1/namespaces/ml/deployments/a"),
            ["patch deployments"]
        );
        assert_eq!(
            of("GET", "/api/v1/namespaces/ml/pods/a/portforward"),
            ["get pods/portforward", "create pods/portforward"]
        );
    }

    #[test]
    fn what_no_role_of_the_namespace_can_give_is_left_out() {
        for path in [
            "/apis",
            "/version",
            "/api/v1/nodes",
            "/api/v1/namespaces/other/pods",
            "/api/v1/namespaces/ml",
        ] {
            assert!(of("GET", path).is_empty(), "{path}");
        }
    }
}
