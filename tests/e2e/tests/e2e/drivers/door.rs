//! A client's way in, and a client that never stops knocking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use vllm_rollback_harness::client::{Answer, ModelClient};
use vllm_rollback_harness::router::Router;
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::{http, wait};

use crate::fixture::MODEL;

/// A client's way in.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// The release's Service.
    Service(ModelClient),
    /// A router, or one replica of it.
    Router {
        /// Its URL.
        url: String,
        /// The client's key.
        key: Option<&'static str>,
    },
}

impl Door {
    pub(crate) fn ask(&self) -> Answer {
        match self {
            Self::Service(client) => client.complete(MODEL),
            Self::Router { url, key } => {
                let body = json!({"model": MODEL, "prompt": "Who are you?", "max_tokens": 16, "temperature": 0});
                let url = format!("{url}/v1/completions");
                Answer::from_result(http::post(&url, *key, &body, Duration::from_secs(10)))
            }
        }
    }
}

/// Replicas that do not all see a change at the same time, the first of them first.
pub(super) struct Laggard {
    /// What the tool is told of them.
    pub(super) arguments: Vec<String>,
    /// The way into each.
    pub(super) doors: Vec<Door>,
    /// What ends with it.
    pub(super) _kept: Option<Router>,
}

/// What a client saw: when it asked, when the answer was there, and the text of a served completion.
#[derive(Debug, Clone)]
pub(super) struct Knock {
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    pub(super) text: Option<String>,
}

/// Clients at every door, one request after the other, until they are called back.
pub(super) struct Clients {
    ended: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Knock>>>,
}

impl Clients {
    /// Starts them, and waits until each was served.
    pub(super) fn at(doors: Vec<Door>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicUsize::new(0));
        let number = doors.len();
        let client = |door: Door| {
            let (ended, served) = (Arc::clone(&ended), Arc::clone(&served));
            std::thread::spawn(move || knock_until(&door, &ended, &served))
        };
        let clients = doors.into_iter().map(client).collect();
        wait::until("clients that are served", HANG, || {
            (served.load(Ordering::Relaxed) == number).then_some(())
        });
        Self { clients, ended }
    }

    /// What each client saw.
    pub(super) fn call_back(self) -> Vec<Vec<Knock>> {
        self.ended.store(true, Ordering::Relaxed);
        let joined = self
            .clients
            .into_iter()
            .map(|client| client.join().expect("a client does not panic"));
        joined.collect()
    }
}

fn knock_until(door: &Door, ended: &AtomicBool, served: &AtomicUsize) -> Vec<Knock> {
    let mut knocks: Vec<Knock> = Vec::new();
    let mut is_first = true;
    while !ended.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = door.ask();
        if answer.is_served() && std::mem::take(&mut is_first) {
            served.fetch_add(1, Ordering::Relaxed);
        }
        knocks.push(Knock {
            asked,
            answered: Instant::now(),
            text: answer.is_served().then_some(answer.text),
        });
    }
    knocks
}
