use vllm_rollback_objects::http::{Request, Response};

use super::*;

/// One replica that lists no worker and turns requests away; the release has nothing.
#[derive(Debug)]
struct Bare;

#[async_trait]
impl RouterClient for Bare {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["r1".to_owned()])
    }

    async fn send(&self, _: &str, request: &Request) -> Result<Response, Failure> {
        let (status, body) = match request.path.as_str() {
            "/list_workers" => (200, r#"{"urls": []}"#),
            _ => (503, "no worker"),
        };
        Ok(Response {
            status,
            body: body.into(),
            ..Response::default()
        })
    }
}

#[async_trait]
impl ReleaseEndpoints for Bare {
    async fn services(&self) -> Result<Vec<Service>, Failure> {
        Ok(Vec::new())
    }

    async fn pods(&self) -> Result<Vec<PodEndpoint>, Failure> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl PodLabels for Bare {
    async fn retain(&self, _: &[ServingPod]) -> Result<(), Failure> {
        Ok(())
    }

    async fn retained(&self) -> Result<Vec<(String, String)>, Failure> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn the_proof_names_the_replica_its_workers_and_its_answer() {
    let bare = Arc::new(Bare);
    let driver = VllmRouter {
        client: bare.clone(),
        endpoints: bare.clone(),
        labels: bare,
        model: "llama".to_owned(),
    };
    let prior = driver.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Disabled);
    let stop = Stop::new(&prior, Keep::Nothing);
    let lines = driver.confirm_stopped(&stop, Duration::from_secs(5)).await.unwrap();
    assert_eq!(
        lines,
        [
            "vllm-router r1: workers of this release: none; others: none; a completion for llama: it routes to a backend that fails (HTTP 503)"
        ]
    );
}
