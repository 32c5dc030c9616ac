//! HTTP from a test, which is not async.

use std::time::Duration;

use serde_json::Value;

/// Runs a future on this thread.
///
/// # Panics
/// When the system has no more file descriptors.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// A client that goes straight to loopback.
pub fn client(timeout: Duration) -> reqwest::ClientBuilder {
    // Another part of the process may have installed the TLS provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(timeout)
}

/// Sends JSON and returns status and body, or why there was no answer.
///
/// # Errors
/// A text for people, when no complete answer came within `timeout`.
pub fn post(url: &str, key: Option<&str>, body: &Value, timeout: Duration) -> Result<(u16, String), String> {
    send(key, timeout, |client| client.post(url).json(body))
}

/// Gets status and body.
///
/// # Errors
/// As [`post`].
pub fn get(url: &str, timeout: Duration) -> Result<(u16, String), String> {
    get_with(url, None, timeout)
}

/// As [`get`], with a bearer token.
///
/// # Errors
/// As [`post`].
pub fn get_with(url: &str, key: Option<&str>, timeout: Duration) -> Result<(u16, String), String> {
    send(key, timeout, |client| client.get(url))
}

fn send(
    key: Option<&str>,
    timeout: Duration,
    request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
) -> Result<(u16, String), String> {
    block_on(async {
        let client = client(timeout).build().map_err(|e| e.to_string())?;
        let mut request = request(&client);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.map_err(|e| short(&e))?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|e| short(&e))?;
        Ok((status, text))
    })
}

fn short(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "connection refused".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}
