//! Watches that notice silence: the server ends each after [`ROUND`], and one that outlives it by a margin is dropped.
//!
//! kube's own watcher keeps one client for good, so that new credentials after a 401 would mean to begin again; and its
//! lists would know neither the deadline and the turns of our calls nor the one budget of their retries.

use std::time::Duration;

use futures::StreamExt;
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc;

use super::error::ApiError;
use super::{ApiClient, Listed, with_query};

/// Time that the server keeps one watch open.
const ROUND: Duration = Duration::from_secs(25);
/// A watch silent for so much longer than its round is dead.
const MARGIN: Duration = Duration::from_secs(5);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// Event of a watch.
#[derive(Debug)]
pub(crate) enum WatchUpdate {
    /// All objects there are; what was known before is void.
    Listed(Vec<Value>),
    /// An object is new or differs.
    Applied(Box<Value>),
    /// An object is gone.
    Deleted(Box<Value>),
    /// The collection cannot be watched: not allowed, or its kind does not exist.
    Failed(ApiError),
}

/// Lists, then watches, and starts again when the watch ends. Each change is sent with its tag. Ends when the receiver is
/// dropped.
pub(crate) fn watch<T: Clone + Send + Sync + 'static>(
    api: ApiClient,
    path: String,
    query: Vec<(&'static str, String)>,
    tag: T,
    out: mpsc::Sender<(T, WatchUpdate)>,
) {
    tokio::spawn(async move {
        // Dropped with the receiver, also in the middle of a silent watch.
        tokio::select! {
            () = out.closed() => {}
            error = run(&api, &path, &query, &tag, &out) => {
                let _ = out.send((tag, WatchUpdate::Failed(error))).await;
            }
        }
    });
}

/// Ends when the collection cannot be watched.
async fn run<T: Clone>(
    api: &ApiClient,
    path: &str,
    query: &[(&'static str, String)],
    tag: &T,
    out: &mpsc::Sender<(T, WatchUpdate)>,
) -> ApiError {
    let query: Vec<(&str, &str)> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
    loop {
        let Listed {
            items,
            mut resource_version,
        } = match api.list(path, &query).await {
            Ok(listed) => listed,
            Err(error) => return error,
        };
        let _ = out.send((tag.clone(), WatchUpdate::Listed(items))).await;
        let mut has_asked = false;
        loop {
            let (client_number, _) = api.credentials.client();
            match follow(api, path, &query, &mut resource_version, tag, out).await {
                // A server that ends each watch at once must not be asked in a tight loop.
                Ok(()) => tokio::time::sleep(PAUSE).await,
                Err(error) if !has_asked && api.has_new_credentials(&error, client_number).await => has_asked = true,
                Err(error) if error.is_forbidden() || error.is_not_found() => return error,
                Err(error) => {
                    if !error.is_gone() {
                        tracing::warn!("watch of {path} ended: {}", error.text());
                        tokio::time::sleep(PAUSE).await;
                    }
                    break;
                }
            }
        }
    }
}

/// One round of a watch, from a resourceVersion on.
async fn follow<T: Clone>(
    api: &ApiClient,
    path: &str,
    query: &[(&str, &str)],
    resource_version: &mut String,
    tag: &T,
    out: &mpsc::Sender<(T, WatchUpdate)>,
) -> Result<(), ApiError> {
    let seconds = ROUND.as_secs().to_string();
    let mut full = query.to_vec();
    full.extend([
        ("watch", "true"),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", seconds.as_str()),
        ("resourceVersion", resource_version.as_str()),
    ]);
    let request = Request::get(with_query(path, &full))
        .body(Vec::new())
        .map_err(|e| ApiError::invalid(e.to_string()))?;
    let limit = ROUND + MARGIN;
    let round = async {
        let events = api.client().request_events::<Value>(request).await?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let change = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    remember(resource_version, &object);
                    WatchUpdate::Applied(Box::new(object))
                }
                WatchEvent::Deleted(object) => {
                    remember(resource_version, &object);
                    WatchUpdate::Deleted(Box::new(object))
                }
                WatchEvent::Bookmark(bookmark) => {
                    *resource_version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
            };
            let _ = out.send((tag.clone(), change)).await;
        }
        Ok(())
    };
    tokio::time::timeout(limit, round)
        .await
        .unwrap_or_else(|_| Err(ApiError::no_answer(limit)))
}

fn remember(resource_version: &mut String, object: &Value) {
    if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
        version.clone_into(resource_version);
    }
}
