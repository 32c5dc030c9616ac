//! Routers, each replica of them: what is asked there is the proof at the place where requests are routed.

mod answer;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::Instant;
use vllm_rollback_engine::failure::{Failure, FailureKind};

pub(crate) use answer::RouterAnswer;

/// Time between two questions to a router.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);

/// A router that takes longer for one token does not serve.
const COMPLETION: Duration = Duration::from_secs(10);

/// A request to a router.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// Path and query: `/v1/completions`.
    pub path: String,
    /// A POST with this body; a POST without one when it is null; a GET when there is none.
    pub post: Option<Value>,
    /// Further headers; `host` in place of the replica's own name.
    pub headers: Vec<(String, String)>,
    /// Longest wait for the whole answer.
    pub timeout: Duration,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, up to 64 KiB of it.
    pub body: String,
}

impl Reply {
    /// The status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// `HTTP 400 Worker … already exists`: status and the begin of the body, for messages.
    pub(crate) fn line(&self) -> String {
        let text: String = self.body.chars().filter(|c| !c.is_control()).take(200).collect();
        format!("HTTP {} {}", self.status, text.trim()).trim_end().to_owned()
    }
}

/// Does HTTP with the replicas of a router, and adds its key.
#[async_trait]
pub trait RouterLink: Send + Sync {
    /// The replicas of now, by names for people that are free of secrets (a URL, a pod); at least one. The place that
    /// clients use may be among them.
    ///
    /// # Errors
    /// `Unreachable`, `Forbidden`; `NotFound` when there is none.
    async fn replicas(&self) -> Result<Vec<String>, Failure>;

    /// Sends a request to one of them, once.
    ///
    /// # Errors
    /// `Unreachable` or `Timeout` without an answer.
    async fn send(&self, replica: &str, ask: &Ask) -> Result<Reply, Failure>;

    /// With which arguments a replica was started; empty where that cannot be seen.
    ///
    /// # Errors
    /// `Unreachable`, `Forbidden`.
    async fn arguments(&self, _replica: &str) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

/// What a router is to do with the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Refuse it.
    Stop,
    /// Answer for it.
    Resume,
}

/// Asks for one token of the model.
pub(crate) fn completion(model: &str) -> Ask {
    Ask {
        path: "/v1/completions".to_owned(),
        post: Some(json!({ "model": model, "prompt": "ping", "max_tokens": 1 })),
        timeout: COMPLETION,
        ..Ask::default()
    }
}

/// Asks one replica for one token of the model.
///
/// # Errors
/// `Forbidden` for an answer about the caller, which tells nothing about the model.
pub(crate) async fn probe(link: &dyn RouterLink, replica: &str, model: &str) -> Result<RouterAnswer, Failure> {
    judged(link, replica, &completion(model))
        .await
        .map(|(_, answer)| answer)
}

/// Asks one replica, and tells what it answered and what that says of the model.
///
/// # Errors
/// As [`probe`].
pub(crate) async fn judged(link: &dyn RouterLink, replica: &str, ask: &Ask) -> Result<(Reply, RouterAnswer), Failure> {
    let reply = link.send(replica, ask).await?;
    let answer = answer::judge(&reply).ok_or_else(|| {
        Failure::new(
            FailureKind::Forbidden,
            format!(
                "the router at {replica} answers about us, not about the model: {}",
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
pub(crate) async fn first_answer(link: &dyn RouterLink, replica: &str, ask: &Ask) -> Result<Option<Reply>, Failure> {
    let answered = match judged(link, replica, ask).await {
        Ok((reply, _)) => Ok(Some(reply)),
        Err(failure) if failure.kind == FailureKind::Timeout => {
            let anything = Ask {
                path: "/health".to_owned(),
                timeout: COMPLETION,
                ..Ask::default()
            };
            link.send(replica, &anything).await.map(|_| None).map_err(|_| failure)
        }
        Err(failure) => Err(failure),
    };
    answered.map_err(|failure| failure.because("this router could not prove that the model is out of traffic"))
}

/// Each replica answers the caller about the model; what it answers does not matter yet.
pub(crate) async fn assert_provable(link: Option<&dyn RouterLink>, model: &str) -> Result<(), Failure> {
    let Some(link) = link else { return Ok(()) };
    let replicas = link.replicas().await?;
    let asking = replicas.iter().map(|replica| async move {
        let asked = completion(model);
        first_answer(link, replica, &asked).await
    });
    try_join_all(asking).await.map(drop)
}

/// Waits until every replica does what the registry says, and tells how each did. A line per replica.
pub(crate) async fn confirm(
    link: Option<&dyn RouterLink>,
    model: &str,
    wanted: Follows,
    end: Instant,
) -> Result<Vec<String>, Failure> {
    let Some(link) = link else { return Ok(Vec::new()) };
    let replicas = link.replicas().await?;
    try_join_all(
        replicas
            .iter()
            .map(|replica| confirm_one(link, replica, model, wanted, end)),
    )
    .await
}

async fn confirm_one(
    link: &dyn RouterLink,
    replica: &str,
    model: &str,
    wanted: Follows,
    end: Instant,
) -> Result<String, Failure> {
    loop {
        let answer = match probe(link, replica, model).await {
            // A backend that hangs still gets requests.
            Err(failure) if failure.kind == FailureKind::Timeout => {
                RouterAnswer::Failed("no answer in time".to_owned())
            }
            answered => answered?,
        };
        let follows = match wanted {
            Follows::Stop => matches!(answer, RouterAnswer::Refused(_)),
            Follows::Resume => matches!(answer, RouterAnswer::Answered(_)),
        };
        let line = format!("router at {replica}: a completion for {model}: it {answer}");
        if follows {
            return Ok(line);
        }
        if Instant::now() + PAUSE > end {
            return Err(
                Failure::new(FailureKind::Timeout, "the router does not follow the registry")
                    .because(line)
                    .next("look which registry and cache this router reads")
                    .next("routers cache the registry for up to 2 minutes: give it more time"),
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}
