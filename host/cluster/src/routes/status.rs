//! What gateways say of a route: whether they have taken it up as it is now.
//!
//! Source: Gateway API, `RouteStatus` (a condition holds for the generation that it observed); Envoy AI Gateway,
//! `AIGatewayRouteStatus`.

use serde_json::Value;
use vllm_rollback_objects::route::Observed;

use crate::pods::{condition, list, text};

/// Of an HTTPRoute: each parent that it names, by each controller that tells of it.
pub(super) fn of_http_route(route: &Value) -> Observed {
    let generation = &route["metadata"]["generation"];
    let named = list(&route["spec"]["parentRefs"]);
    let told: Vec<&Value> = list(&route["status"]["parents"])
        .iter()
        // A gateway that the route has left says nothing any more.
        .filter(|parent| named.iter().any(|named| is_parent(named, &parent["parentRef"])))
        .collect();
    if told.is_empty() {
        return Observed::Refused("no Gateway tells anything of it".to_owned());
    }
    let holds = |parent: &&&Value, kind: &str| condition(parent, kind).is_some_and(|c| c["status"] == "True");
    let accepting: Vec<&&Value> = told.iter().filter(|parent| holds(parent, "Accepted")).collect();
    // Whatever generation that was said of: a change of weights makes no gateway accept a route.
    if accepting.is_empty() {
        let why: Vec<String> = told.iter().map(|parent| condition_text(parent, "Accepted")).collect();
        return Observed::Refused(why.join("; "));
    }
    for parent in &told {
        let name = parent_name(parent);
        for kind in ["Accepted", "ResolvedRefs"] {
            let seen = condition(parent, kind).map(|condition| &condition["observedGeneration"]);
            if seen != Some(generation) {
                return Observed::Pending(format!("Gateway {name} has not observed generation {generation} of it"));
            }
        }
    }
    let lines: Vec<String> = accepting
        .iter()
        .map(|parent| match holds(parent, "ResolvedRefs") {
            true => format!("Gateway {} accepted generation {generation}", parent_name(parent)),
            false => condition_text(parent, "ResolvedRefs"),
        })
        .collect();
    Observed::Accepted(lines.join("; "))
}

/// Of an AIGatewayRoute, which has no parents in its status. Not every version tells the generation.
pub(super) fn of_ai_gateway_route(route: &Value) -> Observed {
    let generation = &route["metadata"]["generation"];
    let Some(accepted) = condition(&route["status"], "Accepted") else {
        let refused = condition(&route["status"], "NotAccepted").map(reason);
        return Observed::Refused(refused.unwrap_or_else(|| "the AI Gateway tells nothing of it".to_owned()));
    };
    let seen = &accepted["observedGeneration"];
    if !seen.is_null() && seen != generation {
        return Observed::Pending(format!("the AI Gateway has not observed generation {generation} of it"));
    }
    if accepted["status"] == "True" {
        Observed::Accepted("the AI Gateway accepted it".to_owned())
    } else {
        Observed::Refused(reason(accepted))
    }
}

/// Of an AIGatewayRoute that is accepted: the HTTPRoute that is made from it has its weights too, and gateways see them.
pub(super) fn of_generated(route: &Value, made: Option<&Value>, accepted: String) -> Observed {
    let Some(made) = made else {
        return Observed::Pending("its HTTPRoute was not made yet".to_owned());
    };
    if !weights(made).starts_with(&weights(route)) {
        return Observed::Pending("its HTTPRoute has other weights".to_owned());
    }
    match of_http_route(made) {
        Observed::Accepted(line) => Observed::Accepted(format!("{accepted}; {line}")),
        other => other,
    }
}

/// For each rule its weights, as they count.
fn weights(route: &Value) -> Vec<Vec<u64>> {
    let weight = |backend: &Value| backend["weight"].as_u64().unwrap_or(1);
    let of_rule = |rule: &Value| list(&rule["backendRefs"]).iter().map(weight).collect();
    list(&route["spec"]["rules"]).iter().map(of_rule).collect()
}

/// A status tells of this parent; what the spec leaves out may be filled in there.
fn is_parent(named: &Value, told: &Value) -> bool {
    ["name", "namespace", "sectionName"]
        .iter()
        .all(|key| named[key].is_null() || named[key] == told[key])
}

fn parent_name(parent: &Value) -> &str {
    parent["parentRef"]["name"].as_str().unwrap_or("?")
}

fn condition_text(parent: &Value, kind: &str) -> String {
    let why = condition(parent, kind).map(reason).unwrap_or_default();
    format!("Gateway {}: {kind} is not true: {why}", parent_name(parent))
}

/// `NoMatchingParent: the listener is gone`, free of control characters.
fn reason(condition: &Value) -> String {
    let reason = format!("{}: {}", text(&condition["reason"]), text(&condition["message"]));
    reason.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(accepted: &str, observed: u64) -> Value {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "observedGeneration": observed, "reason": "R", "message": "m"});
        json!({
            "metadata": {"generation": 3},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [{"name": "a", "weight": 0}, {"name": "b"}]}]},
            "status": {"parents": [{
                "parentRef": {"name": "gw", "namespace": "infra"},
                "conditions": [condition("Accepted", accepted), condition("ResolvedRefs", "True")],
            }]},
        })
    }

    #[test]
    fn only_what_was_said_of_this_generation_counts() {
        assert!(matches!(of_http_route(&route("True", 3)), Observed::Accepted(_)));
        assert!(matches!(of_http_route(&route("True", 2)), Observed::Pending(_)));
        for generation in [2, 3] {
            let observed = of_http_route(&route("False", generation));
            assert!(matches!(observed, Observed::Refused(why) if why.contains("R: m")));
        }
    }

    #[test]
    fn a_gateway_that_the_route_does_not_name_is_not_waited_for() {
        let mut route = route("True", 3);
        let mut left = route["status"]["parents"][0].clone();
        left["parentRef"]["name"] = json!("old");
        left["conditions"][0]["observedGeneration"] = json!(1);
        route["status"]["parents"].as_array_mut().unwrap().push(left);
        assert!(matches!(of_http_route(&route), Observed::Accepted(_)));
        route["status"]["parents"].as_array_mut().unwrap().remove(0);
        assert!(matches!(of_http_route(&route), Observed::Refused(_)));
    }

    #[test]
    fn an_ai_gateway_says_no_with_a_condition_of_its_own() {
        let told = |kind: &str, status: &str| {
            let condition = json!({"type": kind, "status": status, "reason": "R", "message": "m"});
            of_ai_gateway_route(&json!({"metadata": {"generation": 3}, "status": {"conditions": [condition]}}))
        };
        assert!(matches!(told("Accepted", "True"), Observed::Accepted(_)));
        assert!(matches!(told("NotAccepted", "False"), Observed::Refused(why) if why == "R: m"));
    }

    #[test]
    fn a_generated_route_has_to_follow() {
        let ai =
            json!({"spec": {"rules": [{"backendRefs": [{"name": "a", "weight": 0}, {"name": "b", "weight": 1}]}]}});
        let accepted = |made: Option<&Value>| of_generated(&ai, made, "ok".to_owned());
        let mut made = route("True", 3);
        assert!(matches!(accepted(Some(&made)), Observed::Accepted(_)));
        made["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(1);
        assert!(matches!(accepted(Some(&made)), Observed::Pending(_)));
        assert!(matches!(accepted(None), Observed::Pending(_)));
    }
}
