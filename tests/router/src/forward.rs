//! One request to one backend; the answer passes through as it comes.

use crate::error::Refusal;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Request, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a backend may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// What of the caller's request a backend sees. The caller's key is not among it.
const FORWARDED: [HeaderName; 3] = [
    header::CONTENT_TYPE,
    header::ACCEPT,
    HeaderName::from_static("x-request-id"),
];

pub(crate) async fn forward(
    to: SocketAddr,
    endpoint: &str,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let refused = |why: String| Refusal::Backend(format!("backend {endpoint} at {to}: {why}"));
    let mut request = Request::post(path).header(header::HOST, endpoint);
    for name in FORWARDED {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let request = request
        .body(Full::new(body))
        .map_err(|error| refused(error.to_string()))?;
    exchange(to, request).await.map_err(refused)
}

/// Framing is between two neighbours; ours with the other side is made anew.
pub(crate) fn is_of_the_connection(name: &HeaderName) -> bool {
    [header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_LENGTH].contains(name)
        || name.as_str().starts_with("proxy-")
}

/// Sends a request over a connection of its own.
pub(crate) async fn exchange(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response, String> {
    let stream = timeout(CONNECT, TcpStream::connect(to)).await;
    let stream = stream
        .map_err(|_| "does not accept the connection".to_owned())?
        .map_err(|error| error.to_string())?;
    let (mut backend, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Ends with the answer's body; a break shows there.
    tokio::spawn(connection);
    let answered = backend.send_request(request).await.map_err(|error| error.to_string())?;
    let (mut parts, body) = answered.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONNECTION);
    Ok(Response::from_parts(parts, Body::new(body)))
}
