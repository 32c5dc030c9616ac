//! `/v1/completions` and `/v1/chat/completions`.

use super::request::{Job, Kind};
use super::shape::{Form, choice, envelope, usage};
use super::{ApiError, stream};
use crate::answer::Answer;
use crate::metrics::{Finished, Gauge};
use crate::server::{Phase, Server};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

pub(super) async fn completions(state: State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(state.0, Kind::Completion, headers, body)
        .await
        .unwrap_or_else(ApiError::into_response)
}

pub(super) async fn chat(state: State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(state.0, Kind::Chat, headers, body)
        .await
        .unwrap_or_else(ApiError::into_response)
}

async fn answer(server: Arc<Server>, kind: Kind, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let arrived = Instant::now();
    let job = Job::read(&server, kind, &headers, &body)?;
    match *server.phase.borrow() {
        Phase::Serving => {}
        Phase::EngineDead => {
            return Err(ApiError::internal(
                "EngineCore encountered an issue. See stack trace above.",
            ));
        }
        Phase::Draining | Phase::Aborting => return Err(ApiError::internal("The server is shutting down.")),
    }
    if server.next_fails() {
        return Err(ApiError::internal("Internal Server Error"));
    }
    if job.stream {
        return Ok(stream::answer(server, job, arrived));
    }
    let _place = Place::take(&server).await;
    let answer = compose(&server, &job);
    pause(&server, server.faults.first_token).await;
    let first_token = arrived.elapsed();
    let further = u32::try_from(answer.tokens.len()).unwrap_or(u32::MAX).saturating_sub(1);
    pause(&server, server.faults.token.saturating_mul(further)).await;
    count(&server, &job, &answer, first_token, arrived.elapsed());
    let choices = (0..job.choices).map(|index| choice(&job, index, &answer)).collect();
    let usage = usage(&job, answer.tokens.len() * job.choices);
    Ok(Json(envelope(&server, &job, Form::Whole, choices, Some(usage))).into_response())
}

/// The name in the text is the served one, whatever name the envelope carries.
pub(super) fn compose(server: &Server, job: &Job) -> Answer {
    Answer::compose(&server.names[0], &server.faults, job.max_tokens, job.ignore_eos)
}

/// Waits as the engine would: for ever when it hangs or when the request is cut off.
pub(super) async fn pause(server: &Server, wait: Duration) {
    let engine = async {
        if server.faults.hang {
            std::future::pending::<()>().await;
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        biased;
        // The process ends and takes the connection with it.
        () = server.aborted() => std::future::pending().await,
        () = engine => {}
    }
}

pub(super) fn count(server: &Server, job: &Job, answer: &Answer, first_token: Duration, latency: Duration) {
    server.metrics.finished(Finished {
        reason: answer.finish_reason,
        prompt_tokens: job.prompt_tokens,
        generation_tokens: answer.tokens.len() * job.choices,
        first_token,
        latency,
    });
}

/// A place among the requests that are worked on at the same time.
pub(super) struct Place<'a> {
    _running: Gauge<'a>,
    _permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Place<'a> {
    /// Waits for a place; the request counts as waiting until then and as running afterwards.
    pub(super) async fn take(server: &'a Server) -> Self {
        let waiting = server.metrics.waiting();
        let permit = server.slots.acquire().await.ok();
        drop(waiting);
        Self {
            _running: server.metrics.running(),
            _permit: permit,
        }
    }
}
