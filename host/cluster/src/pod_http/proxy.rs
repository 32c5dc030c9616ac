//! HTTP to a pod through the API server's proxy.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::client::Body;
use tokio::time::Instant;

use super::exchange::{Answer, Deadlines, PodHttpError, Timings, Transport};
use crate::connect::Cluster;
use crate::wire::{ApiError, escape};

pub(super) async fn exchange(
    cluster: &Cluster,
    pod: &str,
    port: u16,
    mut request: Request<Bytes>,
    deadlines: Deadlines,
    limit: usize,
) -> Result<Answer, PodHttpError> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Err(PodHttpError::Denied(
            "the API server's pod proxy drops the Authorization header, so this request needs pods/portforward"
                .to_owned(),
        ));
    }
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let full = format!(
        "/api/v1/namespaces/{}/pods/{}:{port}/proxy{path}",
        escape(cluster.namespace()),
        escape(pod)
    );
    *request.uri_mut() = full
        .parse()
        .map_err(|_| PodHttpError::Unreachable(format!("the path {path:?} cannot be sent")))?;
    let started = Instant::now();
    let client = cluster.wire().client();
    let sending = client.send(request.map(|body| Body::from(body.to_vec())));
    let response = match tokio::time::timeout(deadlines.first_byte, sending).await {
        Err(_) => {
            return Err(PodHttpError::Timeout {
                phase: "answer",
                after: deadlines.first_byte,
            });
        }
        Ok(Err(error)) => return Err(PodHttpError::Unreachable(ApiError::from(error).text())),
        Ok(Ok(response)) => response,
    };
    let first_byte = started.elapsed();
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(PodHttpError::TooLarge { limit }),
        Err(error) => return Err(PodHttpError::Unreachable(format!("the answer broke off: {error}"))),
    };
    if let Some(error) = from_api_server(parts.status.as_u16(), &body) {
        return Err(error);
    }
    Ok(Answer {
        response: Response::from_parts(parts, body),
        timings: Timings {
            connect: Duration::ZERO,
            first_byte,
            total: started.elapsed(),
            transport: Transport::Proxy,
        },
    })
}

/// An error of the API server itself, in place of the pod's answer, is a `Status` object.
fn from_api_server(status: u16, body: &[u8]) -> Option<PodHttpError> {
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
        401 | 403 => PodHttpError::Denied(text),
        _ => PodHttpError::Unreachable(text),
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
            Some(PodHttpError::Unreachable(
                "error trying to reach service: refused".into()
            ))
        );
        assert!(matches!(from_api_server(403, body), Some(PodHttpError::Denied(_))));
    }

    #[test]
    fn the_pods_own_errors_are_answers() {
        assert_eq!(from_api_server(404, br#"{"error":{"code":404}}"#), None);
        assert_eq!(from_api_server(200, br#"{"kind":"Status","apiVersion":"v1"}"#), None);
    }
}
