//! What cluster DNS and kube-proxy do, as an HTTP proxy: programs that know only names of the cluster reach its pods with
//! `http_proxy` set to it.

use crate::forward;
use crate::resolve::Resolver;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves until the task is dropped. Names are looked up in the file for every request. Where nobody listens, the
/// connection ends without an answer, as a refused one does.
///
/// # Errors
/// What the listener fails with.
pub async fn serve_names(listener: TcpListener, file: PathBuf) -> io::Result<()> {
    let resolver = Arc::new(Resolver::new(&[], Some(file)));
    loop {
        let (stream, _) = listener.accept().await?;
        let resolver = Arc::clone(&resolver);
        tokio::spawn(async move {
            let service = service_fn(|request| pass(&resolver, request));
            let served = hyper::server::conn::http1::Builder::new();
            // One side went away; the other sees it too.
            let _ = served.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pass(resolver: &Resolver, request: Request<Incoming>) -> io::Result<Response<axum::body::Body>> {
    let missing = || io::Error::other("a request to a proxy names its host");
    let endpoint = request.uri().authority().ok_or_else(missing)?.to_string();
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let to = pod(resolver.address(&endpoint).map_err(io::Error::other)?);
    let (parts, body) = request.into_parts();
    let body: Bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut onward = Request::builder().method(parts.method).uri(path);
    for (name, value) in &parts.headers {
        if !forward::is_of_the_connection(name) {
            onward = onward.header(name, value);
        }
    }
    let onward = onward.body(body.into()).map_err(io::Error::other)?;
    forward::exchange(to, onward).await.map_err(io::Error::other)
}

/// Addresses of pods are shown in 10.244.0.0/16, and bound in 127.244.0.0/16.
fn pod(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.octets()[..2] == [10, 244] => {
            let [_, b, c, d] = ip.octets();
            SocketAddr::new(Ipv4Addr::new(127, b, c, d).into(), address.port())
        }
        _ => address,
    }
}
