//! A user of the model: asks through the Service, as a client in the cluster would.
//!
//! The test bed has no kube-proxy, so the client does what one does: it sends to a ready address of the Service's
//! EndpointSlices, and gets "connection refused" when there is none.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::Api;
use crate::http;

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status; none when there was no answer at all.
    pub status: Option<u16>,
    /// The completion's text, or what went wrong.
    pub text: String,
}

impl Answer {
    /// Out of status and body, or of why there were none.
    pub fn from_result(got: Result<(u16, String), String>) -> Self {
        match got {
            Ok((status, body)) => Self {
                status: Some(status),
                text: text_of(&body),
            },
            Err(error) => Self {
                status: None,
                text: error,
            },
        }
    }

    /// A completion came back.
    pub fn is_served(&self) -> bool {
        self.status == Some(200)
    }
}

/// A client of one Service.
#[derive(Debug, Clone)]
pub struct ModelClient {
    api: Api,
    namespace: String,
    service: String,
}

impl ModelClient {
    /// Of this Service.
    pub fn new(api: Api, namespace: &str, service: &str) -> Self {
        Self {
            api,
            namespace: namespace.to_owned(),
            service: service.to_owned(),
        }
    }

    /// Ready `address:port` of the Service, as this machine can dial them.
    pub fn endpoints(&self) -> Vec<String> {
        let slices = self.api.get(&format!(
            "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices?labelSelector=kubernetes.io/service-name%3D{}",
            self.namespace, self.service
        ));
        let items = slices
            .as_ref()
            .and_then(|list| list["items"].as_array().cloned())
            .unwrap_or_default();
        items.iter().flat_map(ready_addresses).collect()
    }

    /// Asks for a completion.
    pub fn complete(&self, model: &str) -> Answer {
        let Some(address) = self.endpoints().into_iter().next() else {
            return Answer {
                status: None,
                text: "connection refused: the Service has no ready endpoint".to_owned(),
            };
        };
        let body = json!({"model": model, "prompt": "Who are you?", "max_tokens": 16, "temperature": 0});
        Answer::from_result(http::post(
            &format!("http://{address}/v1/completions"),
            None,
            &body,
            Duration::from_secs(10),
        ))
    }
}

fn ready_addresses(slice: &Value) -> Vec<String> {
    let port = slice["ports"][0]["port"].as_u64().unwrap_or(8000);
    let ips = ready_ips(slice).into_iter();
    ips.map(|ip| format!("{}:{port}", dialled(&ip))).collect()
}

/// Addresses of an EndpointSlice's ready endpoints, as the API shows them.
pub(crate) fn ready_ips(slice: &Value) -> Vec<String> {
    let endpoints = slice["endpoints"].as_array().cloned().unwrap_or_default();
    endpoints
        .iter()
        .filter(|endpoint| endpoint["conditions"]["ready"] == true)
        .filter_map(|endpoint| endpoint["addresses"][0].as_str().map(str::to_owned))
        .collect()
}

/// The test bed shows 10.244.a.b in the API and binds 127.244.a.b.
pub(crate) fn dialled(ip: &str) -> String {
    ip.replacen("10.244.", "127.244.", 1)
}

fn text_of(body: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let text = parsed.as_ref().and_then(|v| {
        v["choices"][0]["text"]
            .as_str()
            .or_else(|| v["error"]["message"].as_str())
    });
    text.unwrap_or(body).trim().chars().take(200).collect()
}
