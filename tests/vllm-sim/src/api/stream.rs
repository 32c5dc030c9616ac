//! Answers in parts: server-sent events, one token in each, closed by `[DONE]`.

use super::completions::{Place, compose, count, pause};
use super::request::{Job, Kind};
use super::shape::{Form, delta, envelope, role, usage};
use crate::answer::Token;
use crate::server::Server;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::channel::mpsc::{self, Sender};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

type Events = Sender<io::Result<Bytes>>;

/// Time for the tokens before a break to leave.
const FLUSH: Duration = Duration::from_millis(20);

/// The client has gone.
struct Gone;

pub(super) fn answer(server: Arc<Server>, job: Job, arrived: Instant) -> Response {
    let (events, parts) = mpsc::channel(1);
    // Dropped together with the body, so a client that goes away ends the work and its place in the gauges.
    let work = futures::stream::once(async move {
        tokio::select! {
            biased;
            // The stream just stops: no error, no [DONE].
            () = server.aborted() => {}
            // Nobody is left to be told that the client has gone.
            _ = write(&server, &job, arrived, events) => {}
        }
    })
    .filter_map(|()| async { None::<io::Result<Bytes>> });
    let body = Body::from_stream(futures::stream::select(parts, work));
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}

async fn write(server: &Server, job: &Job, arrived: Instant, mut events: Events) -> Result<(), Gone> {
    let _place = Place::take(server).await;
    let answer = compose(server, job);
    if job.kind == Kind::Chat {
        let roles = (0..job.choices).map(role).collect();
        send(&mut events, &envelope(server, job, Form::Chunk, roles, None)).await?;
    }
    let (mut offset, mut first_token) = (0, None);
    let end = Token {
        text: String::new(),
        logprob: 0.0,
    };
    // An answer without tokens still has a last chunk, which says why it ended.
    let tokens = if answer.tokens.is_empty() {
        std::slice::from_ref(&end)
    } else {
        &answer.tokens
    };
    for (place, token) in tokens.iter().enumerate() {
        pause(
            server,
            if place == 0 {
                server.faults.first_token
            } else {
                server.faults.token
            },
        )
        .await;
        first_token.get_or_insert_with(|| arrived.elapsed());
        if server.faults.break_stream_after == Some(place) {
            // The web server sends what it has only when nothing more comes at once.
            tokio::time::sleep(FLUSH).await;
            let broken = io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the stream breaks here, as it was told to",
            );
            return events.send(Err(broken)).await.map_err(|_| Gone);
        }
        let finish_reason = (place + 1 == tokens.len()).then_some(answer.finish_reason);
        let choices = (0..job.choices)
            .map(|index| delta(job, index, token, offset, finish_reason))
            .collect();
        send(&mut events, &envelope(server, job, Form::Chunk, choices, None)).await?;
        offset += token.text.len();
    }
    if job.include_usage {
        let usage = usage(job, answer.tokens.len() * job.choices);
        send(
            &mut events,
            &envelope(server, job, Form::Chunk, Vec::new(), Some(usage)),
        )
        .await?;
    }
    count(server, job, &answer, first_token.unwrap_or_default(), arrived.elapsed());
    events
        .send(Ok(Bytes::from_static(b"data: [DONE]\n\n")))
        .await
        .map_err(|_| Gone)
}

async fn send(events: &mut Events, chunk: &Value) -> Result<(), Gone> {
    events
        .send(Ok(format!("data: {chunk}\n\n").into()))
        .await
        .map_err(|_| Gone)
}
