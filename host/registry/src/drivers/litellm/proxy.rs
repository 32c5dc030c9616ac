//! Requests to one LiteLLM proxy, and its answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_objects::http::{Request, Response, host};
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::service::Service;

use crate::release_endpoints::{BackendKind, is_retained};
use crate::router;

/// For what a proxy answers out of its memory or its database.
const SOON: Duration = Duration::from_secs(15);

/// For one token.
const COMPLETION: Duration = Duration::from_secs(30);

/// A deployment: one way to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployment {
    pub(super) id: String,
    /// The name that clients ask for.
    pub(super) group: String,
    pub(super) api_base: String,
    pub(super) blocked: bool,
    /// Stored in the database, and not in the proxy's configuration file.
    in_database: bool,
    /// Part of this release that it leads to; none for another's deployment.
    pub(super) behind: Option<BackendKind>,
    /// Leads to a pod with the retained label, and to no other.
    pub(super) checked: bool,
}

/// `3f2a (llama at http://llama.ml:8000/v1, blocked)`.
impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.blocked, self.checked) {
            (true, _) => "blocked",
            (false, false) => "in traffic",
            (false, true) => "in traffic, checked",
        };
        write!(f, "{} ({} at {}, {state})", self.id, self.group, self.api_base)
    }
}

impl Deployment {
    /// Says what of this release it leads to.
    pub(super) fn attribute(&mut self, services: &[Service], pods: &[PodEndpoint]) {
        self.behind = BackendKind::of(&self.api_base, services, pods);
        self.checked = is_retained(&self.api_base, pods);
    }

    /// Leads to an IP address and not to a name: to a pod, which may be gone.
    pub(super) fn is_at_address(&self) -> bool {
        host(&self.api_base).is_some_and(|host| host.parse::<IpAddr>().is_ok())
    }

    pub(super) fn assert_can_be_blocked(&self, replica: &str) -> Result<(), Failure> {
        if self.in_database {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "LiteLLM {replica} has {} in its configuration file, where it cannot be blocked",
            self.id
        ))
        .next("store the model in the proxy's database instead: STORE_MODEL_IN_DB=True, then POST /model/new")
        .next("or take it out of traffic behind the proxy: --registry service"))
    }
}

#[derive(Deserialize)]
struct Listed {
    model_name: String,
    #[serde(default)]
    litellm_params: Params,
    model_info: Info,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    api_base: Option<String>,
}

#[derive(Deserialize)]
struct Info {
    id: String,
    #[serde(default)]
    db_model: Option<bool>,
    #[serde(default)]
    blocked: Option<bool>,
}

/// The deployments that a proxy knows.
pub(super) async fn list(client: &dyn RouterClient, replica: &str) -> Result<Vec<Deployment>, Failure> {
    let reply = client.send(replica, &Request::get("/model/info", SOON)).await?;
    assert_admin(replica, &reply)?;
    let info = Some(reply.json()).filter(|_| reply.is_success());
    let listed = info.and_then(|mut info| serde_json::from_value::<Vec<Listed>>(info["data"].take()).ok());
    let listed = listed.ok_or_else(|| {
        Failure::invalid(format!("{replica} does not list its models as a LiteLLM proxy does")).because(reply.line())
    })?;
    Ok(listed.into_iter().map(deployment).collect())
}

fn deployment(listed: Listed) -> Deployment {
    Deployment {
        id: listed.model_info.id,
        group: listed.model_name,
        api_base: listed.litellm_params.api_base.unwrap_or_default(),
        blocked: listed.model_info.blocked.unwrap_or_default(),
        in_database: listed.model_info.db_model.unwrap_or_default(),
        behind: None,
        checked: false,
    }
}

/// Blocks a deployment or lets it go.
pub(super) async fn set_blocked(
    client: &dyn RouterClient,
    replica: &str,
    deployment: &Deployment,
    blocked: bool,
) -> Result<(), WriteError> {
    let call = if blocked { "block" } else { "unblock" };
    let body = json!({ "model_id": deployment.id });
    let request = Request::post_json(format!("/model/{call}"), &body, SOON);
    let reply = client.send(replica, &request).await?;
    assert_admin(replica, &reply).map_err(WriteError::Rejected)?;
    if reply.is_success() {
        return Ok(());
    }
    let failure = Failure::external(format!("LiteLLM {replica} did not {call} deployment {}", deployment.id))
        .because(reply.line());
    let failure = match reply.status {
        404 if !reply.text().contains(&deployment.id) => {
            failure.next("this LiteLLM is too old to block a model: use version 1.108 or later")
        }
        _ => failure.next("the proxy needs its database for this: check its log"),
    };
    Err(router::written(&reply, failure))
}

/// Source of the answer to a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Responder {
    /// The deployment of this id.
    Deployment(String),
    /// Nobody: the proxy says that the model is blocked.
    Blocked(String),
    /// Nobody: something failed.
    Failed(String),
}

impl fmt::Display for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment(id) => write!(f, "deployment {id} answers"),
            Self::Blocked(line) => write!(f, "it is blocked ({line})"),
            Self::Failed(line) => write!(f, "it fails ({line})"),
        }
    }
}

/// Asks for one token of a model group.
pub(super) async fn ask(client: &dyn RouterClient, replica: &str, group: &str) -> Result<Responder, Failure> {
    let body = json!({ "model": group, "prompt": "ping", "max_tokens": 1 });
    let request = Request::post_json("/v1/completions", &body, COMPLETION);
    let reply = client.send(replica, &request).await?;
    evaluate(replica, &reply)
}

fn evaluate(replica: &str, reply: &Response) -> Result<Responder, Failure> {
    if reply.is_success() {
        return match reply.header("x-litellm-model-id") {
            Some(id) => Ok(Responder::Deployment(id.to_owned())),
            None => Err(
                Failure::invalid(format!("LiteLLM {replica} does not say which deployment answered"))
                    .next("check whether something in between strips the header x-litellm-model-id"),
            ),
        };
    }
    let is_blocked = ["Model is blocked", "currently paused"]
        .iter()
        .any(|words| reply.text().contains(words));
    if is_blocked {
        return Ok(Responder::Blocked(format!("HTTP {}", reply.status)));
    }
    assert_admin(replica, reply)?;
    Ok(Responder::Failed(reply.line()))
}

fn assert_admin(replica: &str, reply: &Response) -> Result<(), Failure> {
    if !matches!(reply.status, 401 | 402 | 403 | 429) {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Forbidden,
        format!(
            "LiteLLM {replica} answers about the caller, not about the model: HTTP {}",
            reply.status
        ),
    )
    .next("give a key of a proxy admin: --router-key-env NAME or --router-key-file FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderMap, HeaderName, HeaderValue};

    fn reply(status: u16, body: &str) -> Response {
        let name = HeaderName::from_static("x-litellm-model-id");
        Response {
            status,
            headers: HeaderMap::from_iter([(name, HeaderValue::from_static("a1"))]),
            body: body.to_owned().into(),
            ..Response::default()
        }
    }

    #[test]
    fn a_block_is_told_from_what_is_said_of_the_caller() {
        let judged = |status, body| evaluate("r", &reply(status, body));
        assert_eq!(judged(200, "{}").unwrap(), Responder::Deployment("a1".to_owned()));
        let blocked = r#"{"error":{"message":"litellm.PermissionDeniedError: Model is blocked"}}"#;
        assert!(matches!(judged(403, blocked), Ok(Responder::Blocked(_))));
        assert_eq!(judged(403, "{}").unwrap_err().kind, FailureKind::Forbidden);
        assert_eq!(judged(401, "{}").unwrap_err().kind, FailureKind::Forbidden);
        assert!(matches!(judged(500, "Connection error"), Ok(Responder::Failed(_))));
    }

    #[test]
    fn an_answer_that_names_nobody_is_no_proof() {
        let bare = Response {
            headers: HeaderMap::new(),
            ..reply(200, "{}")
        };
        assert_eq!(evaluate("r", &bare).unwrap_err().kind, FailureKind::Invalid);
    }

    #[test]
    fn deployments_are_read_and_attributed_by_their_api_base() {
        let listed = r#"[{"model_name": "llama", "litellm_params": {"api_base": "http://llama.ml.svc.cluster.local:8000/v1", "model": "openai/x"},
            "model_info": {"id": "a1", "db_model": true, "blocked": false, "more": 1}},
            {"model_name": "gpt", "litellm_params": {}, "model_info": {"id": "b2", "db_model": false, "blocked": null}}]"#;
        let mut all: Vec<Deployment> = serde_json::from_str::<Vec<Listed>>(listed)
            .unwrap()
            .into_iter()
            .map(deployment)
            .collect();
        let services = [Service {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![8000],
            ..Service::default()
        }];
        all.iter_mut()
            .for_each(|deployment| deployment.attribute(&services, &[]));
        assert_eq!((all[0].behind, all[1].behind), (Some(BackendKind::Service), None));
        assert!(all[0].assert_can_be_blocked("r").is_ok() && all[1].assert_can_be_blocked("r").is_err());
    }
}
