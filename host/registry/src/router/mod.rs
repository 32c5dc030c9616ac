//! Routers, each replica of them: probes there are the proof at the place where requests are routed.

mod answer;

use std::time::Duration;

use futures::future::try_join_all;
use serde_json::json;
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_objects::http::{Request, Response};

pub(crate) use answer::RouterAnswer;

/// Time between two questions to a router.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);

/// A router that takes longer for one token does not serve.
const COMPLETION: Duration = Duration::from_secs(10);

/// Behaviour that is expected of a router for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Refuse it.
    Refuse,
    /// Answer for it.
    Serve,
}

/// Outcome of a write that a router answered without success: what it says of the request is a no, what it says of itself is not.
pub(crate) fn written(reply: &Response, failure: Failure) -> WriteError {
    match reply.status {
        400..=499 => WriteError::Rejected(failure),
        _ => WriteError::Unknown(failure),
    }
}

/// Asks for one token of the model.
pub(crate) fn completion(model: &str) -> Request {
    let body = json!({ "model": model, "prompt": "ping", "max_tokens": 1 });
    Request::post_json("/v1/completions", &body, COMPLETION)
}

/// Asks one replica for one token of the model.
///
/// # Errors
/// `Forbidden` for an answer about the caller, which tells nothing about the model.
pub(crate) async fn probe(router: &dyn RouterClient, replica: &str, model: &str) -> Result<RouterAnswer, Failure> {
    judged(router, replica, &completion(model))
        .await
        .map(|(_, answer)| answer)
}

/// Asks one replica, and tells what it answered and what that says of the model.
///
/// # Errors
/// As [`probe`].
pub(crate) async fn judged(
    router: &dyn RouterClient,
    replica: &str,
    request: &Request,
) -> Result<(Response, RouterAnswer), Failure> {
    let reply = router.send(replica, request).await?;
    let answer = answer::evaluate(&reply).ok_or_else(|| {
        Failure::new(
            FailureKind::Forbidden,
            format!(
                "the router at {replica} answers about the caller, not about the model: {}",
                reply.line()
            ),
        )
        .next("give its API key: --router-key-env NAME or --router-key-file FILE")
    })?;
    Ok((reply, answer))
}

/// Asks one replica before anything is changed. None when it answers, but not this in time: a backend may hang, which is no
/// reason to keep it in traffic.
///
/// # Errors
/// As [`probe`]; `Timeout` when it answers nothing at all.
pub(crate) async fn first_answer(
    router: &dyn RouterClient,
    replica: &str,
    request: &Request,
) -> Result<Option<Response>, Failure> {
    let answered = match judged(router, replica, request).await {
        Ok((reply, _)) => Ok(Some(reply)),
        Err(failure) if failure.kind == FailureKind::Timeout => {
            let anything = Request::get("/health", COMPLETION);
            router.send(replica, &anything).await.map(|_| None).map_err(|_| failure)
        }
        Err(failure) => Err(failure),
    };
    answered.map_err(|failure| failure.because("this router could not prove that the model is out of traffic"))
}

/// Each replica answers the caller about the model; what it answers does not matter yet.
pub(crate) async fn preflight(router: Option<&dyn RouterClient>, model: &str) -> Result<(), Failure> {
    let Some(router) = router else { return Ok(()) };
    let replicas = router.replicas().await?;
    let asking = replicas.iter().map(|replica| async move {
        let asked = completion(model);
        first_answer(router, replica, &asked).await
    });
    try_join_all(asking).await.map(drop)
}

/// Waits until every replica does what the registry says, and tells how each did. A line per replica.
pub(crate) async fn confirm(
    router: Option<&dyn RouterClient>,
    model: &str,
    wanted: Expected,
    end: Instant,
) -> Result<Vec<String>, Failure> {
    let Some(router) = router else { return Ok(Vec::new()) };
    let replicas = router.replicas().await?;
    try_join_all(
        replicas
            .iter()
            .map(|replica| confirm_one(router, replica, model, wanted, end)),
    )
    .await
}

async fn confirm_one(
    router: &dyn RouterClient,
    replica: &str,
    model: &str,
    wanted: Expected,
    end: Instant,
) -> Result<String, Failure> {
    loop {
        let answer = match probe(router, replica, model).await {
            // A backend that hangs still gets requests.
            Err(failure) if failure.kind == FailureKind::Timeout => {
                RouterAnswer::Failed("no answer in time".to_owned())
            }
            answered => answered?,
        };
        let follows = match wanted {
            Expected::Refuse => matches!(answer, RouterAnswer::Refused(_)),
            Expected::Serve => matches!(answer, RouterAnswer::Answered(_)),
        };
        let line = format!("router at {replica}: a completion for {model}: it {answer}");
        if follows {
            return Ok(line);
        }
        if Instant::now() + PAUSE > end {
            return Err(Failure::timeout("the router does not follow the registry")
                .because(line)
                .next("check which registry and cache this router reads")
                .next("routers cache the registry for up to 2 minutes: give it more time"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
