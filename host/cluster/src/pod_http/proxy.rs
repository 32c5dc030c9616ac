//! HTTP to a pod through the API server's proxy.

use http::header;
use kube::client::Body;
use tokio::time::Instant;
use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_objects::http::{Request, Response};

use super::exchange::{answer, late, message};
use crate::api::{ApiError, escape};
use crate::connect::Cluster;

pub(super) async fn exchange(cluster: &Cluster, pod: &str, port: u16, request: Request) -> Result<Response, HttpError> {
    if request.headers.contains_key(header::AUTHORIZATION) {
        let why = "the API server's pod proxy drops the Authorization header, so this request needs pods/portforward";
        return Err(HttpError::Denied(why.to_owned()));
    }
    let uri = format!(
        "/api/v1/namespaces/{}/pods/{}:{port}/proxy{}",
        escape(cluster.namespace()),
        escape(pod),
        request.path
    );
    let message = message(&request, &uri)?;
    let started = Instant::now();
    let client = cluster.api().client();
    let sending = client.send(message.map(|body| Body::from(body.to_vec())));
    let head = match tokio::time::timeout(request.timeout, sending).await {
        Err(_) => return Err(late("answer", request.timeout)),
        Ok(Err(error)) => return Err(HttpError::Unreachable(ApiError::from(error).text())),
        Ok(Ok(head)) => head,
    };
    let answer = answer(head, started, started.elapsed(), request.max_response).await?;
    from_api_server(answer.status, &answer.body).map_or(Ok(answer), Err)
}

/// An error of the API server itself, in place of the pod's answer, is a `Status` object.
fn from_api_server(status: u16, body: &[u8]) -> Option<HttpError> {
    if status < 400 {
        return None;
    }
    let object: serde_json::Value = serde_json::from_slice(body).ok()?;
    if object["kind"] != "Status" || object["apiVersion"] != "v1" {
        return None;
    }
    let text = object["message"]
        .as_str()
        .unwrap_or("the API server gave no message")
        .to_owned();
    Some(match status {
        401 | 403 => HttpError::Denied(text),
        _ => HttpError::Unreachable(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_api_server_is_not_taken_for_the_pods_answer() {
        let body = br#"{"kind":"Status","apiVersion":"v1","message":"error trying to reach service: refused"}"#;
        assert_eq!(
            from_api_server(503, body),
            Some(HttpError::Unreachable("error trying to reach service: refused".into()))
        );
        assert!(matches!(from_api_server(403, body), Some(HttpError::Denied(_))));
    }

    #[test]
    fn the_pods_own_errors_are_answers() {
        assert_eq!(from_api_server(404, br#"{"error":{"code":404}}"#), None);
        assert_eq!(from_api_server(200, br#"{"kind":"Status","apiVersion":"v1"}"#), None);
    }
}
