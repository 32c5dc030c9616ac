//! `metrics`: samples of a pod's `/metrics`.

use std::time::Duration;

use vllm_rollback_metrics::Exposition;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::metrics::{Host, Sample};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types::CallError;

use super::{Capability, error};
use crate::instance::CheckInstance;

/// For one scrape. A busy vLLM server answers in milliseconds; one that loads a model not at all.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Host for CheckInstance {
    async fn scrape(&mut self, pod: String) -> wasmtime::Result<Result<Vec<Sample>, CallError>> {
        self.budget.call()?;
        Ok(self.scrape_pod(&pod).await)
    }
}

impl CheckInstance {
    async fn scrape_pod(&mut self, name: &str) -> Result<Vec<Sample>, CallError> {
        let target = self.granted(Capability::Metrics)?;
        let pod = if name.is_empty() {
            target.pod.clone()
        } else {
            target.context.pods.iter().find(|pod| pod.name == name).cloned()
        };
        let Some(pod) = pod else {
            return Err(error(
                "invalid",
                format!("{name:?} is none of the release's serving pods"),
            ));
        };
        let answer = self.get_from_pod(&target, &pod, "/metrics", TIMEOUT).await?;
        if answer.status != 200 {
            return Err(error("unreachable", format!("GET /metrics answered {}", answer.status)));
        }
        let page = Exposition::parse(&String::from_utf8_lossy(&answer.body));
        let samples = page.map_err(|why| error("invalid", why.to_string()))?.into_samples();
        Ok(samples.into_iter().map(sample).collect())
    }
}

fn sample(sample: vllm_rollback_metrics::Sample) -> Sample {
    Sample {
        name: sample.name,
        labels: sample.labels,
        value: sample.value,
    }
}
