//! How many requests the release's pods have answered: proof of which pods an answer came from.

use std::collections::BTreeMap;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_engine::release::ReleaseRecord;

use crate::connect::Cluster;
use crate::metrics::{self, Unread};
use crate::pod_http::PodHttp;
use crate::serving;

impl Cluster {
    /// For each running pod of the record's serving workloads, whatever its revision, how many requests of the serving
    /// API it has answered since it started; none where it tells no such number. A pod that is not ready and cannot be
    /// reached is left out: nobody gets an answer of it.
    ///
    /// # Errors
    /// `Invalid` when the manifest cannot be read; `Forbidden`, `Unreachable`.
    pub async fn answered_requests(&self, record: &ReleaseRecord) -> Result<BTreeMap<String, Option<u64>>, Failure> {
        let manifest = record.objects()?;
        let pods = serving::answering(self, &manifest).await?;
        let http = PodHttp::new(self.clone());
        let reading = pods.iter().map(async |pod| {
            let told = match metrics::read(&http, pod).await {
                Ok(metrics) => metrics.answered(),
                Err(Unread::NoAnswer(HttpError::Unreachable(_))) if !pod.ready => return None,
                Err(_) => None,
            };
            Some((pod.name.clone(), told))
        });
        Ok(futures::future::join_all(reading).await.into_iter().flatten().collect())
    }
}
