//! What of the cluster leads to a release: its Services and its pods. Their gates and labels are in [`crate::gate`].

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::ReleaseEndpoints;
use vllm_rollback_objects::pod::{PodEndpoint, RETAINED_LABEL};
use vllm_rollback_objects::service::Service;

use crate::release::CurrentRelease;
use crate::services::GATE_KEY;
use crate::{pods, view};

#[async_trait]
impl ReleaseEndpoints for CurrentRelease {
    async fn services(&self) -> Result<Vec<Service>, Failure> {
        let (record, services) = tokio::try_join!(self.current.record(), self.cluster.services())?;
        Ok(services.leading_to(&record.objects()?))
    }

    async fn pods(&self) -> Result<Vec<PodEndpoint>, Failure> {
        let manifest = self.current.record().await?.objects()?;
        let live = view::read_all(&self.cluster, &manifest.serving_workloads()).await?;
        let mut found = Vec::new();
        for live in &live {
            let target = live.target_hash();
            let with_address = live.pods.iter().filter(|pod| !pods::is_finished(pod));
            found.extend(with_address.filter_map(|pod| {
                let ready = pods::is_ready(pod) && !pods::is_terminating(pod);
                Some(PodEndpoint {
                    ip: pods::ip(pod)?.to_owned(),
                    ready,
                    serving: ready && Some(pods::revision_hash(pod)) == target,
                    retained: pod["metadata"]["labels"][GATE_KEY] == RETAINED_LABEL,
                })
            }));
        }
        Ok(found)
    }
}
