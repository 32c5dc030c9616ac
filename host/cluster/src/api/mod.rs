//! Calls to the API server: JSON in, JSON out.
//!
//! Objects are JSON values, not typed structs, since a release may hold any kind, and since each typed `Api<K>` costs
//! seconds of compile time. One client serves all: its credential plugin runs once, and each call that is not a
//! stream has its own deadline, which drops the connection with it.

mod credentials;
pub(crate) mod error;
pub(crate) mod path;
pub(crate) mod retry;
pub(crate) mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::Retryable;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tokio::sync::Semaphore;

pub(crate) use credentials::Credentials;
pub(crate) use error::ApiError;
pub(crate) use path::{Resource, escape, with_query};
pub use retry::RetryListener;

/// The field manager of all our writes; a `kubectl` or `helm` name would be stripped by Flux or conflict with Helm.
pub(crate) const FIELD_MANAGER: &str = "vllm-rollback";

/// Time that reads are tried again during an outage. It is one budget for all of them: a run that waited for a server
/// that does not answer must come to its end, and its last steps read too.
const READ_BUDGET: Duration = Duration::from_secs(60);

/// Calls at a time, so that a run is a polite client.
const CONCURRENT: usize = 8;

/// Objects of a list, and where a watch goes on from.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Value>,
    pub(crate) resource_version: String,
}

/// A connection to an API server.
#[derive(Clone)]
pub(crate) struct ApiClient {
    credentials: Arc<Credentials>,
    timeout: Option<Duration>,
    listener: Option<RetryListener>,
    turns: Arc<Semaphore>,
    /// Since when no call was answered; none while they are.
    silent_since: Arc<Mutex<Option<Instant>>>,
}

impl ApiClient {
    pub(crate) fn new(credentials: Credentials, timeout: Option<Duration>, listener: Option<RetryListener>) -> Self {
        Self {
            credentials: Arc::new(credentials),
            timeout,
            listener,
            turns: Arc::new(Semaphore::new(CONCURRENT)),
            silent_since: Arc::default(),
        }
    }

    /// The client for streams: no deadline of its own.
    pub(crate) fn client(&self) -> Client {
        self.credentials.client().1
    }

    /// Asks for new credentials if the API server refused those of this call. Each call asks once.
    async fn has_new_credentials(&self, error: &ApiError, refused: u32) -> bool {
        error.code == Some(401) && self.credentials.renew(refused).await
    }

    /// Reads an object. Tried again on overload and broken connections.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        parse(&self.read(path, None, READ_BUDGET).await?)
    }

    /// Reads an object once.
    pub(crate) async fn get_once(&self, path: &str) -> Result<Value, ApiError> {
        parse(&self.read(path, None, Duration::ZERO).await?)
    }

    /// Reads an object; none when it does not exist.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.get(path).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads text, such as a log, once.
    pub(crate) async fn text(&self, path: &str) -> Result<String, ApiError> {
        self.read(path, None, Duration::ZERO).await
    }

    /// Lists objects, page by page.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Listed, ApiError> {
        self.list_as(path, query, None).await
    }

    /// Lists metadata alone: the payloads of release records stay on the server.
    pub(crate) async fn list_metadata(&self, path: &str, query: &[(&str, &str)]) -> Result<Listed, ApiError> {
        let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        self.list_as(path, query, Some(accept)).await
    }

    async fn list_as(&self, path: &str, query: &[(&str, &str)], accept: Option<&str>) -> Result<Listed, ApiError> {
        let mut listed = Listed::default();
        let mut page = String::new();
        loop {
            let mut query = query.to_vec();
            query.push(("limit", "500"));
            if !page.is_empty() {
                query.push(("continue", &page));
            }
            let mut answer = parse(&self.read(&with_query(path, &query), accept, READ_BUDGET).await?)?;
            match answer["items"].take() {
                Value::Array(items) => listed.items.extend(items),
                Value::Null => {}
                _ => return Err(ApiError::invalid("the API server's list has no items")),
            }
            listed.resource_version = answer["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .into();
            match answer["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => page = next.to_owned(),
                _ => return Ok(listed),
            }
        }
    }

    /// Creates an object in a collection. Sent once.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let path = with_query(path, &[("fieldManager", FIELD_MANAGER)]);
        self.write(Method::POST, &path, "application/json", object).await
    }

    /// Replaces an object; its resourceVersion is in it. Sent once.
    pub(crate) async fn replace(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let path = with_query(path, &[("fieldManager", FIELD_MANAGER)]);
        self.write(Method::PUT, &path, "application/json", object).await
    }

    /// Patches an object: by a list of steps (RFC 6902), or by an object that is merged into it (RFC 7386). Sent once.
    pub(crate) async fn patch(&self, path: &str, patch: &Value) -> Result<Value, ApiError> {
        let content_type = if patch.is_array() {
            "application/json-patch+json"
        } else {
            "application/merge-patch+json"
        };
        let path = with_query(path, &[("fieldManager", FIELD_MANAGER)]);
        self.write(Method::PATCH, &path, content_type, patch).await
    }

    /// Deletes an object if it is still as it was read.
    pub(crate) async fn delete(&self, path: &str, read: &Value) -> Result<(), ApiError> {
        let (uid, version) = (&read["metadata"]["uid"], &read["metadata"]["resourceVersion"]);
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": { "uid": uid, "resourceVersion": version },
        });
        self.write(Method::DELETE, path, "application/json", &options)
            .await
            .map(drop)
    }

    async fn write(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Result<Value, ApiError> {
        let body = serde_json::to_vec(body).map_err(|e| ApiError::invalid(e.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .body(body)
            .map_err(|e| ApiError::invalid(e.to_string()))?;
        parse(&self.send(request).await?)
    }

    async fn read(&self, path: &str, accept: Option<&str>, budget: Duration) -> Result<String, ApiError> {
        (|| self.read_once(path, accept))
            .retry(retry::pauses())
            .when(|error| error.is_transient() && self.silence() <= budget)
            .adjust(retry::within(budget))
            .notify(|error, pause| {
                let line = format!("reading again in {:.1} s: {}", pause.as_secs_f64(), error.text());
                tracing::warn!("{line}");
                if let Some(listener) = &self.listener {
                    listener.announce(&line);
                }
            })
            .await
    }

    async fn read_once(&self, path: &str, accept: Option<&str>) -> Result<String, ApiError> {
        let request = || {
            let request = Request::get(path);
            let request = accept
                .into_iter()
                .fold(request, |request, accept| request.header(header::ACCEPT, accept));
            request.body(Vec::new()).map_err(|e| ApiError::invalid(e.to_string()))
        };
        let (client_number, _) = self.credentials.client();
        match self.send(request()?).await {
            Err(error) if self.has_new_credentials(&error, client_number).await => self.send(request()?).await,
            answer => answer,
        }
    }

    fn silence(&self) -> Duration {
        let since = *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<String, ApiError> {
        let answer = self.send_in_turn(request).await;
        let mut since = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Err(error) if error.code.is_none() => _ = since.get_or_insert_with(Instant::now),
            _ => *since = None,
        }
        drop(since);
        answer
    }

    async fn send_in_turn(&self, request: Request<Vec<u8>>) -> Result<String, ApiError> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let call = ask(self.client(), request);
        match self.timeout {
            None => call.await,
            Some(limit) => tokio::time::timeout(limit, call)
                .await
                .unwrap_or_else(|_| Err(ApiError::no_answer(limit))),
        }
    }
}

/// kube's own `request_text` drops the answer's head, and with it the `Retry-After` of a busy server.
async fn ask(client: Client, request: Request<Vec<u8>>) -> Result<String, ApiError> {
    let answer = client.send(request.map(Body::from)).await?;
    let (head, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())
        .map_err(|_| ApiError::invalid("the API server's answer is not text"))?;
    if !head.status.is_client_error() && !head.status.is_server_error() {
        return Ok(text);
    }
    let status = serde_json::from_str::<Status>(&text)
        .unwrap_or_else(|_| Status::failure(text.trim(), "").with_code(head.status.as_u16()));
    let mut error = ApiError::from(kube::Error::Api(status.boxed()));
    error.retry_after = error.retry_after.or_else(|| retry_after(&head.headers));
    Err(error)
}

/// Seconds; the API server sends no dates here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn parse(text: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text).map_err(|e| ApiError::invalid(format!("the API server's answer is not JSON: {e}")))
}
