//! `http`: requests to named targets.

use std::time::Duration;

use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::PodAddress;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::http::{self as abi, Host};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types::CallError;

use super::{Capability, denied, error};
use crate::egress::{Admitted, Endpoint, Refusal, Target, admit};
use crate::instance::{CheckInstance, CheckTarget, RouterEndpoint};

/// Most bytes of an answer's headers that a check is given.
const HEADER_BYTES: usize = 32 * 1024;

impl Host for CheckInstance {
    async fn send(&mut self, request: abi::Request) -> wasmtime::Result<Result<abi::Response, CallError>> {
        self.budget.call()?;
        Ok(self.send_admitted(request).await)
    }
}

impl CheckInstance {
    async fn send_admitted(&mut self, request: abi::Request) -> Result<abi::Response, CallError> {
        let admitted = admit(&request.target, &request.method, &request.path, &request.headers);
        let Admitted {
            target,
            method,
            path,
            headers,
        } = admitted.map_err(|refusal| match refusal {
            Refusal::Denied(why) => denied(self.deny(why)),
            Refusal::Invalid(why) => error("invalid", why),
        })?;
        if let Some((option, _)) = request.options.first() {
            let option = crate::untrusted::line(option, 60);
            return Err(error("invalid", format!("this tool knows no option `{option}`")));
        }
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let request = Request {
            method,
            path,
            headers,
            body: request.body.into(),
            timeout,
            max_response: 0,
        };
        let answer = match target {
            Target::Pod => {
                let target = self.granted(Capability::Pod)?;
                let Some(pod) = target.pod.clone() else {
                    return Err(error("invalid", "target `pod` is for checks that run once a pod"));
                };
                self.ask_pod(&target, &pod, request).await
            }
            Target::Router => {
                let CheckTarget { services, .. } = self.granted(Capability::Router)?;
                let Some(router) = &services.router else {
                    return Err(error("unreachable", "no router is configured"));
                };
                self.counted(request, async |request| match router {
                    RouterEndpoint::Url(endpoint) => services.client.send(endpoint, request).await,
                    RouterEndpoint::Target(target) => target.send(request).await,
                })
                .await
            }
            Target::Host(name) => {
                let url = self.grants.named(Capability::Host, &name).map(str::to_owned);
                let endpoint = url.and_then(|url| Endpoint::parse(&url, None).map_err(|failure| failure.what));
                let endpoint = endpoint.map_err(|why| denied(self.deny(why)))?;
                let CheckTarget { services, .. } = self.granted(Capability::Host)?;
                self.counted(request, async |request| services.client.send(&endpoint, request).await)
                    .await
            }
        };
        answer.map(response)
    }

    /// Reads a path of a pod.
    pub(super) async fn get_from_pod(
        &mut self,
        target: &CheckTarget,
        pod: &ServingPod,
        path: &str,
        timeout: Duration,
    ) -> Result<Response, CallError> {
        self.ask_pod(target, pod, Request::get(path, timeout)).await
    }

    async fn ask_pod(
        &mut self,
        target: &CheckTarget,
        pod: &ServingPod,
        request: Request,
    ) -> Result<Response, CallError> {
        let address = PodAddress {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            port: pod.port,
        };
        let pods = &target.services.pods;
        self.counted(request, async |request| pods.send(&address, request).await)
            .await
    }

    /// Sends within budget and deadline, whatever the other side does.
    async fn counted(
        &mut self,
        mut request: Request,
        send: impl AsyncFnOnce(Request) -> Result<Response, HttpError>,
    ) -> Result<Response, CallError> {
        request.max_response = self
            .budget
            .request(request.body.len())
            .map_err(|why| error("budget", why))?;
        request.timeout = request.timeout.min(self.left());
        let (timeout, max) = (request.timeout, request.max_response);
        let late = || {
            error(
                "timeout",
                format!("no complete answer within {} ms", timeout.as_millis()),
            )
        };
        let answer = tokio::time::timeout(timeout, send(request)).await.map_err(|_| late())?;
        let answer = answer.map_err(|why| match why {
            HttpError::Denied(why) => denied(self.deny(why)),
            HttpError::Unreachable(why) => error("unreachable", why),
            HttpError::Timeout(why) => error("timeout", why),
            HttpError::TooLarge(why) => error("too-large", why),
        })?;
        self.budget.received(answer.body.len());
        let header_bytes: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if answer.body.len() > max || header_bytes > HEADER_BYTES {
            return Err(error(
                "too-large",
                format!("the answer has more than {max} bytes or too many headers"),
            ));
        }
        Ok(answer)
    }
}

fn response(answer: Response) -> abi::Response {
    let headers = answer.headers.iter();
    abi::Response {
        status: answer.status,
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: answer.body.to_vec(),
        first_byte_ms: answer.first_byte.as_secs_f64() * 1000.0,
        total_ms: answer.total.as_secs_f64() * 1000.0,
        extra: Vec::new(),
    }
}
