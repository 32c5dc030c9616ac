//! What the controller knows of its namespace, and what it writes there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::api::Api;
use crate::http;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
/// How long a watch stays open before it is made anew.
const WATCH: Duration = Duration::from_secs(600);
/// How long after a failed call the next one is made.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// A kind of object that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    HttpRoute,
    Service,
    EndpointSlice,
    Pod,
    InferencePool,
    AiGatewayRoute,
    AiServiceBackend,
    Backend,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::HttpRoute,
        Self::Service,
        Self::EndpointSlice,
        Self::Pod,
        Self::InferencePool,
        Self::AiGatewayRoute,
        Self::AiServiceBackend,
        Self::Backend,
    ];

    fn path(self, namespace: &str) -> String {
        let (api, plural) = match self {
            Self::HttpRoute => ("apis/gateway.networking.k8s.io/v1", "httproutes"),
            Self::Service => ("api/v1", "services"),
            Self::EndpointSlice => ("apis/discovery.k8s.io/v1", "endpointslices"),
            Self::Pod => ("api/v1", "pods"),
            Self::InferencePool => ("apis/inference.networking.k8s.io/v1", "inferencepools"),
            Self::AiGatewayRoute => ("apis/aigateway.envoyproxy.io/v1beta1", "aigatewayroutes"),
            Self::AiServiceBackend => ("apis/aigateway.envoyproxy.io/v1beta1", "aiservicebackends"),
            Self::Backend => ("apis/gateway.envoyproxy.io/v1alpha1", "backends"),
        };
        format!("/{api}/namespaces/{namespace}/{plural}")
    }
}

/// Objects of a namespace, by kind and name.
#[derive(Debug, Default)]
pub(super) struct World {
    objects: BTreeMap<Kind, BTreeMap<String, Value>>,
}

impl World {
    /// One of them.
    pub(super) fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects.get(&kind)?.get(name)
    }

    /// All of a kind, by name.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = (&str, &Value)> {
        let objects = self.objects.get(&kind).into_iter().flatten();
        objects.map(|(name, object)| (name.as_str(), object))
    }

    /// As the API server said it last.
    pub(super) fn put(&mut self, kind: Kind, object: Value) {
        self.objects.entry(kind).or_default().insert(name(&object), object);
    }
}

/// `metadata.name`.
pub(super) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// `metadata.generation`.
pub(super) fn generation(object: &Value) -> u64 {
    object["metadata"]["generation"].as_u64().unwrap_or_default()
}

/// A namespace that is followed by watches.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    client: reqwest::Client,
    server: String,
    token: String,
    namespace: String,
    world: Arc<Mutex<World>>,
    /// Told when the world changed.
    pub(super) changed: Arc<Notify>,
}

impl Cluster {
    pub(super) fn new(api: &Api, namespace: &str) -> Self {
        let (server, ca, token) = api.credentials();
        let ca = std::fs::read(ca).expect("the test bed wrote its CA");
        let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
        let client = http::client(CALL).tls_certs_only([ca]).build().expect("a client");
        Self {
            client,
            server,
            token,
            namespace: namespace.to_owned(),
            world: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// What is known now.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Follows every kind until the runtime ends.
    pub(super) fn follow(&self) {
        for kind in Kind::ALL {
            let cluster = self.clone();
            tokio::spawn(async move {
                loop {
                    // What a watch missed is in the next list.
                    if cluster.list_and_watch(kind).await.is_err() {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            });
        }
    }

    async fn list_and_watch(&self, kind: Kind) -> Result<(), reqwest::Error> {
        let path = kind.path(&self.namespace);
        let list: Value = self.get(&path, CALL).await?.json().await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let items = items.into_iter().map(|item| (name(&item), item)).collect();
        self.world().objects.insert(kind, items);
        self.changed.notify_one();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let path = format!("{path}?watch=true&resourceVersion={version}");
        let mut events = self.get(&path, WATCH).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = events.chunk().await? {
            bytes.extend_from_slice(&chunk);
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap_or_default();
                if !self.take(kind, &event) {
                    return Ok(());
                }
                self.changed.notify_one();
            }
        }
        Ok(())
    }

    /// Whether the watch can go on.
    fn take(&self, kind: Kind, event: &Value) -> bool {
        let object = event["object"].clone();
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => self.world().put(kind, object),
            Some("DELETED") => {
                if let Some(objects) = self.world().objects.get_mut(&kind) {
                    objects.remove(&name(&object));
                }
            }
            Some("BOOKMARK") => {}
            _ => return false,
        }
        true
    }

    async fn get(&self, path: &str, timeout: Duration) -> Result<reqwest::Response, reqwest::Error> {
        let request = self.client.get(format!("{}{path}", self.server));
        request
            .bearer_auth(&self.token)
            .timeout(timeout)
            .send()
            .await?
            .error_for_status()
    }

    /// Writes an object as a whole; what the server made of it.
    pub(super) async fn write(&self, kind: Kind, object: &Value) -> Result<Value, reqwest::Error> {
        let path = kind.path(&self.namespace);
        let (method, path) = match object["metadata"]["resourceVersion"] {
            Value::Null => (Method::POST, path),
            _ => (Method::PUT, format!("{path}/{}", name(object))),
        };
        let request = self.client.request(method, format!("{}{path}", self.server));
        let answer = request.bearer_auth(&self.token).json(object).send().await?;
        answer.error_for_status()?.json().await
    }

    /// Replaces the status of an object that did not change since it was read.
    pub(super) async fn write_status(
        &self,
        kind: Kind,
        object: &Value,
        status: &Value,
    ) -> Result<Value, reqwest::Error> {
        let path = format!("{}/{}/status", kind.path(&self.namespace), name(object));
        let patch = json!({
            "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
            "status": status,
        });
        let request = self.client.patch(format!("{}{path}", self.server));
        let answer = request
            .bearer_auth(&self.token)
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string())
            .send()
            .await?;
        answer.error_for_status()?.json().await
    }
}
