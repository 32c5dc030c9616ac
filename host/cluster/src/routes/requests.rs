//! Which requests a route takes: a probe that no rule takes proves nothing.

use crate::pods::list;
use serde_json::Value;
use vllm_rollback_objects::route::{RouteKind, RoutePath, RouteRequest};

/// One POST request for each rule; none for a rule whose matches are patterns, other methods or query parameters only.
pub(super) fn from_route(kind: RouteKind, route: &Value) -> Vec<RouteRequest> {
    let hostname = list(&route["spec"]["hostnames"]).first().and_then(Value::as_str);
    // `*.example.com` takes every name below it.
    let host = hostname.map(|name| match name.strip_prefix("*.") {
        Some(domain) => format!("vllm-rollback.{domain}"),
        None => name.to_owned(),
    });
    let any = Value::Object(serde_json::Map::new());
    let mut requests = Vec::new();
    for (rule, written) in list(&route["spec"]["rules"]).iter().enumerate() {
        let matches = list(&written["matches"]);
        let matches = if matches.is_empty() {
            std::slice::from_ref(&any)
        } else {
            matches
        };
        let request = matches.iter().find_map(|wanted| {
            Some(RouteRequest {
                rule,
                host: host.clone(),
                path: path(kind, wanted)?,
                headers: headers(wanted)?,
            })
        });
        requests.extend(request);
    }
    requests
}

fn path(kind: RouteKind, wanted: &Value) -> Option<RoutePath> {
    let takes_post = wanted["method"].as_str().is_none_or(|method| method == "POST");
    if !takes_post || !list(&wanted["queryParams"]).is_empty() {
        return None;
    }
    let value = wanted["path"]["value"].as_str().unwrap_or("/").to_owned();
    match (kind, wanted["path"]["type"].as_str().unwrap_or("PathPrefix")) {
        (RouteKind::AiGateway, _) => Some(RoutePath::Prefix("/".to_owned())),
        (_, "Exact") => Some(RoutePath::Exact(value)),
        (_, "PathPrefix") => Some(RoutePath::Prefix(value)),
        _ => None,
    }
}

fn headers(wanted: &Value) -> Option<Vec<(String, String)>> {
    let header = |wanted: &Value| match wanted["type"].as_str().unwrap_or("Exact") {
        "Exact" => Some((
            wanted["name"].as_str()?.to_owned(),
            wanted["value"].as_str()?.to_owned(),
        )),
        _ => None,
    };
    list(&wanted["headers"]).iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_rules(hostnames: &Value, rules: &Value) -> Vec<RouteRequest> {
        from_route(
            RouteKind::Http,
            &json!({ "spec": { "hostnames": hostnames, "rules": rules } }),
        )
    }

    #[test]
    fn a_rule_is_asked_as_its_first_plain_match_wants() {
        let header = json!({ "name": "x-team", "value": "a" });
        let pattern = json!({ "type": "RegularExpression", "name": "x", "value": ".*" });
        let rules = json!([
            {},
            { "matches": [
                { "headers": [pattern] },
                { "method": "GET" },
                { "queryParams": [header] },
                { "path": { "type": "RegularExpression", "value": "/v.*" } },
                { "path": { "type": "Exact", "value": "/v1/completions" }, "headers": [header], "method": "POST" },
            ] },
            { "matches": [{ "headers": [pattern] }] },
        ]);
        let requests = of_rules(&json!(["*.example.com", "other.org"]), &rules);
        assert_eq!(requests.iter().map(|request| request.rule).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(requests[0].path, RoutePath::Prefix("/".into()));
        assert_eq!(requests[1].path, RoutePath::Exact("/v1/completions".into()));
        assert_eq!(requests[1].headers, [("x-team".to_owned(), "a".to_owned())]);
        assert_eq!(requests[1].host.as_deref(), Some("vllm-rollback.example.com"));
        assert_eq!(of_rules(&json!([]), &rules)[0].host, None);
    }
}
