//! `http`: requests to named targets.

use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::http::{Host, HttpError, Request, Response};

use crate::egress::{Admitted, Refusal, Target, admit};
use crate::grants::Capability;
use crate::reach::{HttpRequest, HttpResponse, PodAddress, ReachError, RouterWay};
use crate::run::{Run, Subject};

/// Most bytes of an answer's headers that a check is given.
const HEADER_BYTES: usize = 32 * 1024;

impl Host for Run {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
        self.called()?;
        Ok(self.send_admitted(request).await)
    }
}

impl Run {
    async fn send_admitted(&mut self, request: Request) -> Result<Response, HttpError> {
        let admitted = admit(&request.target, &request.method, &request.path, &request.headers);
        let Admitted {
            target,
            method,
            path,
            headers,
        } = admitted.map_err(|refusal| match refusal {
            Refusal::Denied(why) => HttpError::Denied(self.deny(why)),
            Refusal::Invalid(why) => HttpError::Invalid(why),
        })?;
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let request = HttpRequest {
            method,
            path,
            headers,
            body: request.body.into(),
            timeout,
            max_response: 0,
        };
        let answer = match target {
            Target::Pod => {
                let subject = self.granted(Capability::Pod).map_err(HttpError::Denied)?;
                let Some(pod) = subject.pod.clone() else {
                    return Err(HttpError::Invalid(
                        "target `pod` is for checks that run once a pod".to_owned(),
                    ));
                };
                self.ask_pod(&subject, &pod, request).await
            }
            Target::Router => {
                let Subject { outside, .. } = self.granted(Capability::Router).map_err(HttpError::Denied)?;
                let Some(router) = &outside.router else {
                    return Err(HttpError::Unreachable("no router is configured".to_owned()));
                };
                self.counted(request, async |request| match router {
                    RouterWay::Url(endpoint) => outside.client.send(endpoint, request).await,
                    RouterWay::Through(reach) => reach.send(request).await,
                })
                .await
            }
            Target::Host(name) => {
                let endpoint = self.grants.host(&name).cloned();
                let endpoint = endpoint.map_err(|why| HttpError::Denied(self.deny(why)))?;
                let Subject { outside, .. } = self.granted(Capability::Host).map_err(HttpError::Denied)?;
                self.counted(request, async |request| outside.client.send(&endpoint, request).await)
                    .await
            }
        };
        answer.map(response)
    }

    /// Reads a path of a pod.
    pub(super) async fn get_from_pod(
        &mut self,
        subject: &Subject,
        pod: &ServingPod,
        path: &str,
        timeout: Duration,
    ) -> Result<HttpResponse, HttpError> {
        let request = HttpRequest {
            method: ::http::Method::GET,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            max_response: 0,
        };
        self.ask_pod(subject, pod, request).await
    }

    async fn ask_pod(
        &mut self,
        subject: &Subject,
        pod: &ServingPod,
        request: HttpRequest,
    ) -> Result<HttpResponse, HttpError> {
        let address = PodAddress {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            port: pod.port,
        };
        let reach = &subject.outside.reach;
        self.counted(request, async |request| reach.send(&address, request).await)
            .await
    }

    /// Sends within budget and deadline, whatever the other side does.
    async fn counted(
        &mut self,
        mut request: HttpRequest,
        send: impl AsyncFnOnce(HttpRequest) -> Result<HttpResponse, ReachError>,
    ) -> Result<HttpResponse, HttpError> {
        request.max_response = self.budget.request(request.body.len()).map_err(HttpError::Budget)?;
        request.timeout = request.timeout.min(self.left());
        let (timeout, max) = (request.timeout, request.max_response);
        let late = || HttpError::Timeout(format!("no complete answer within {} ms", timeout.as_millis()));
        let answer = tokio::time::timeout(timeout, send(request)).await.map_err(|_| late())?;
        let answer = answer.map_err(|error| match error {
            ReachError::Denied(why) => HttpError::Denied(self.deny(why)),
            ReachError::Unreachable(why) => HttpError::Unreachable(why),
            ReachError::Timeout(why) => HttpError::Timeout(why),
            ReachError::TooLarge(why) => HttpError::TooLarge(why),
        })?;
        self.budget.received(answer.body.len());
        let header_bytes: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if answer.body.len() > max || header_bytes > HEADER_BYTES {
            return Err(HttpError::TooLarge(format!(
                "the answer has more than {max} bytes or too many headers"
            )));
        }
        Ok(answer)
    }
}

fn response(answer: HttpResponse) -> Response {
    let headers = answer.headers.iter();
    Response {
        status: answer.status,
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: answer.body.to_vec(),
        first_byte_ms: answer.first_byte.as_secs_f64() * 1000.0,
        total_ms: answer.total.as_secs_f64() * 1000.0,
    }
}
