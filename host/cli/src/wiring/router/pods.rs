//! Replicas that are the pods behind a Service, each reached through the API server.

use async_trait::async_trait;
use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use vllm_rollback_cluster::Cluster;
use vllm_rollback_cluster::pod_http::PodHttp;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::checks::{HttpError, HttpTarget};
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_objects::http::{Request, Response};

use crate::args::traffic::RouterService;

/// HTTP to the pods behind the router's Service.
pub(super) struct PodLink {
    cluster: Cluster,
    service: RouterService,
    http: PodHttp,
    key: Option<SecretString>,
}

impl PodLink {
    /// To the pods behind this Service.
    pub(super) fn new(cluster: &Cluster, service: &RouterService, key: Option<SecretString>) -> Self {
        let namespace = service.namespace.as_deref().unwrap_or(cluster.namespace());
        let cluster = cluster.in_namespace(namespace);
        Self {
            http: PodHttp::new(cluster.clone()),
            cluster,
            service: service.clone(),
            key,
        }
    }

    fn with_key(&self, request: &Request) -> Result<Request, http::Error> {
        let mut request = request.clone();
        if let Some(key) = &self.key {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))?;
            bearer.set_sensitive(true);
            request.headers.insert(header::AUTHORIZATION, bearer);
        }
        Ok(request)
    }
}

#[async_trait]
impl RouterClient for PodLink {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        let RouterService { name, port, .. } = &self.service;
        let endpoints = self.cluster.ready_endpoints(name).await?;
        let replica = |endpoint: vllm_rollback_cluster::gate::Endpoint| {
            let target = endpoint.address.rsplit_once(':').map(|(_, port)| port.to_owned());
            let port = port.map(|port| port.to_string()).or(target)?;
            Some(format!("{}:{port}", endpoint.pod?))
        };
        let mut replicas: Vec<String> = endpoints.into_iter().filter_map(replica).collect();
        replicas.sort();
        replicas.dedup();
        if replicas.is_empty() {
            let namespace = self.cluster.namespace();
            return Err(
                Failure::not_found(format!("the router's Service {namespace}/{name} has no ready pod"))
                    .next(format!("kubectl get service,endpointslices -n {namespace}")),
            );
        }
        Ok(replicas)
    }

    async fn send(&self, replica: &str, request: &Request) -> Result<Response, Failure> {
        let malformed = || Failure::internal(format!("{replica} is not a pod and its port"));
        let (pod, port) = replica.rsplit_once(':').ok_or_else(malformed)?;
        let port = port.parse().map_err(|_| malformed())?;
        let request = self
            .with_key(request)
            .map_err(|error| Failure::usage("this key cannot be sent to the router").caused_by(&error))?;
        let answer = self.http.send(pod, port, request).await;
        answer.map_err(|error| self.failure(replica, &error))
    }

    async fn arguments(&self, replica: &str) -> Result<Vec<String>, Failure> {
        let pod = replica.rsplit_once(':').map_or(replica, |(pod, _)| pod);
        self.cluster.pod_arguments(pod).await
    }
}

/// One of the replicas answers a check.
#[async_trait]
impl HttpTarget for PodLink {
    async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let replicas = self.replicas().await;
        let replicas = replicas.map_err(|failure| HttpError::Unreachable(failure.to_string()))?;
        let place = replicas.first().and_then(|replica| replica.rsplit_once(':'));
        let place = place.and_then(|(pod, port)| Some((pod, port.parse().ok()?)));
        let Some((pod, port)) = place else {
            return Err(HttpError::Unreachable("the router has no replica".to_owned()));
        };
        let request = self.with_key(&request);
        let request = request.map_err(|_| HttpError::Denied("this key cannot be sent to the router".to_owned()))?;
        self.http.send(pod, port, request).await
    }
}

impl PodLink {
    fn failure(&self, replica: &str, error: &HttpError) -> Failure {
        let kind = match error {
            HttpError::Denied(_) => FailureKind::Forbidden,
            HttpError::Timeout(_) => FailureKind::Timeout,
            HttpError::Unreachable(_) | HttpError::TooLarge(_) => FailureKind::Unreachable,
        };
        let namespace = self.cluster.namespace();
        Failure::new(kind, format!("the router {replica} gives no answer"))
            .caused_by(error)
            .next(format!("kubectl get pods -n {namespace} -o wide"))
    }
}
