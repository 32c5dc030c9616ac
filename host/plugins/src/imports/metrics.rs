//! `metrics`: samples of a pod's `/metrics`.

use std::time::Duration;

use vllm_rollback_criteria::Exposition;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::http::HttpError;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::metrics::{Host, Sample};

use crate::grants::Capability;
use crate::run::Run;

/// For one scrape. A busy vLLM server answers in milliseconds; one that loads a model not at all.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Host for Run {
    async fn scrape(&mut self, pod: String) -> wasmtime::Result<Result<Vec<Sample>, HttpError>> {
        self.called()?;
        Ok(self.scrape_pod(&pod).await)
    }
}

impl Run {
    async fn scrape_pod(&mut self, name: &str) -> Result<Vec<Sample>, HttpError> {
        let subject = self.granted(Capability::Metrics).map_err(HttpError::Denied)?;
        let pod = if name.is_empty() {
            subject.pod.clone()
        } else {
            subject.context.pods.iter().find(|pod| pod.name == name).cloned()
        };
        let Some(pod) = pod else {
            return Err(HttpError::Invalid(format!(
                "{name:?} is none of the release's serving pods"
            )));
        };
        let answer = self.get_from_pod(&subject, &pod, "/metrics", TIMEOUT).await?;
        if answer.status != 200 {
            return Err(HttpError::Unreachable(format!(
                "GET /metrics answered {}",
                answer.status
            )));
        }
        let page = Exposition::parse(&String::from_utf8_lossy(&answer.body));
        let samples = page
            .map_err(|error| HttpError::Invalid(error.to_string()))?
            .into_samples();
        Ok(samples.into_iter().map(sample).collect())
    }
}

fn sample(sample: vllm_rollback_criteria::Sample) -> Sample {
    Sample {
        name: sample.name,
        labels: sample.labels,
        value: sample.value,
    }
}
