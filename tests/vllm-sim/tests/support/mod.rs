//! A server in this process, and calls to it.
#![allow(dead_code, reason = "each suite uses its part")]

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use vllm_sim::args::Args;
use vllm_sim::faults::Faults;
use vllm_sim::server::Server;

pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    pub(crate) server: Arc<Server>,
}

impl Sim {
    /// Serves `--model /models/tiny --served-model-name tiny` and `line`, with faults given without `SIM_`.
    pub(crate) async fn start(line: &str, faults: &[(&str, &str)]) -> Self {
        let line = format!("--model /models/tiny --served-model-name tiny {line}");
        let (args, _) = Args::read(line.split_whitespace().map(str::to_owned)).unwrap();
        let faults = Faults::read(
            faults
                .iter()
                .map(|(name, value)| (format!("SIM_{name}"), (*value).to_owned())),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Server::new(args, faults.unwrap()));
        tokio::spawn(vllm_sim::lifecycle::serve(listener, Arc::clone(&server)));
        Self { address, server }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        call(self.address, "GET", path, &[], "").await
    }

    pub(crate) async fn complete(&self, body: &str) -> Answer {
        call(self.address, "POST", "/v1/completions", &[], body).await
    }

    pub(crate) async fn chat(&self, body: &str) -> Answer {
        call(self.address, "POST", "/v1/chat/completions", &[], body).await
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
    /// The connection broke before the end of the body.
    pub(crate) broken: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text))
    }

    /// The chunks of a stream; the closing `[DONE]` comes as a string.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
            .collect()
    }
}

pub(crate) async fn call(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(method).uri(path).header("host", "sim");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (status, kind) = (
        response.status().as_u16(),
        response.headers().get("content-type").cloned(),
    );
    let content_type = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let (mut body, mut bytes, mut broken) = (response.into_body(), Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
            Err(_) => broken = true,
        }
    }
    Answer {
        status,
        content_type,
        text: String::from_utf8(bytes).unwrap(),
        broken,
    }
}
