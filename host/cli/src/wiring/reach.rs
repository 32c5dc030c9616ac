//! HTTP of checks ← the cluster's way to a pod's port.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use vllm_rollback_cluster::pod_http::{Deadlines, PodHttp, PodHttpError};
use vllm_rollback_plugins::{HttpRequest, HttpResponse, PodAddress, Reach, ReachError};

/// A connection to a pod that takes longer does not come at all.
const CONNECT: Duration = Duration::from_secs(10);

/// HTTP to pods, for checks. A pod is asked by its name; that it was not replaced by one of the same name meanwhile is
/// seen by the engine, which compares the serving pods' UIDs before and after the checks.
#[derive(Clone)]
pub(crate) struct PodReach(pub(crate) PodHttp);

#[async_trait]
impl Reach for PodReach {
    async fn send(&self, pod: &PodAddress, request: HttpRequest) -> Result<HttpResponse, ReachError> {
        let mut message = Request::new(request.body);
        *message.method_mut() = request.method;
        *message.headers_mut() = request.headers;
        *message.uri_mut() = request
            .path
            .parse()
            .map_err(|_| ReachError::Denied("the path cannot be sent".to_owned()))?;
        let deadlines = Deadlines {
            connect: CONNECT.min(request.timeout),
            first_byte: request.timeout,
            total: request.timeout,
        };
        let http = self.0.clone().with_limit(request.max_response);
        let answer = http
            .send(&pod.name, pod.port, message, deadlines)
            .await
            .map_err(unreached)?;
        let (head, body): (_, Bytes) = answer.response.into_parts();
        Ok(HttpResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            first_byte: answer.timings.first_byte,
            total: answer.timings.total,
        })
    }
}

fn unreached(error: PodHttpError) -> ReachError {
    let text = error.to_string();
    match error {
        PodHttpError::Denied(_) => ReachError::Denied(text),
        PodHttpError::Unreachable(_) => ReachError::Unreachable(text),
        PodHttpError::Timeout { .. } => ReachError::Timeout(text),
        PodHttpError::TooLarge { .. } => ReachError::TooLarge(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_stays_a_deadline_for_the_check() {
        let error = PodHttpError::Timeout {
            phase: "answer",
            after: Duration::from_secs(3),
        };
        assert_eq!(
            unreached(error),
            ReachError::Timeout("no answer within 3.0 s".to_owned())
        );
    }
}
