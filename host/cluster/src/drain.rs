//! Waits until the pods work on no request any more, by vLLM's own gauges.

use std::time::Duration;

use tokio::time::Instant;
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::{Drained, ServingPod};
use vllm_rollback_objects::manifest::Manifest;

use crate::connect::Cluster;
use crate::metrics::{self, Unread};
use crate::pod_http::PodHttp;
use crate::serving;

/// Between two readings.
const PAUSE: Duration = Duration::from_millis(100);
/// Readings of 0 in a row: a request that just arrived is in no gauge until the engine's next step.
const ZEROS: u32 = 2;

/// Requests in flight in one pod, or why they are not told.
type Reading = Result<u64, String>;

pub(crate) async fn drain(
    cluster: &Cluster,
    manifest: &Manifest,
    spared: &[ServingPod],
    deadline: Duration,
    observer: &dyn Observer,
) -> Result<Drained, Failure> {
    let end = Instant::now() + deadline;
    let mut pods = serving::answering(cluster, manifest).await?;
    pods.retain(|pod| spared.iter().all(|spared| spared.uid != pod.uid));
    let http = PodHttp::new(cluster.clone());
    let mut zeros = 0;
    let mut told = None;
    loop {
        let readings = futures::future::join_all(pods.iter().map(|pod| read(&http, pod))).await;
        let in_flight = sum(&readings);
        zeros = if in_flight == Some(0) { zeros + 1 } else { 0 };
        let passed = Instant::now() >= end;
        if in_flight.is_none() || zeros >= ZEROS || passed {
            return Ok(Drained {
                in_flight,
                deadline_passed: passed && in_flight.is_some_and(|n| n > 0),
                evidence: evidence(&pods, &readings),
            });
        }
        if told != in_flight {
            let text = format!("{} requests in flight", in_flight.unwrap_or(0));
            observer.event(Event::Progress { text });
            told = in_flight;
        }
        tokio::time::sleep_until((Instant::now() + PAUSE).min(end)).await;
    }
}

async fn read(http: &PodHttp, pod: &ServingPod) -> Reading {
    let no_gauges = || "/metrics has no gauges of running and waiting requests".to_owned();
    let told = match metrics::read(http, pod).await {
        Ok(metrics) => metrics.in_flight().ok_or_else(no_gauges),
        Err(Unread::NotTold(why)) => Err(why),
        Err(Unread::NoAnswer(error)) => return Err(format!("does not answer, so it serves nobody: {error}")),
    };
    told.map_err(|why| format!("requests in flight are not known: {why}"))
}

/// None when no pod told a number.
fn sum(readings: &[Reading]) -> Option<u64> {
    readings.iter().flatten().copied().reduce(u64::saturating_add)
}

fn evidence(pods: &[ServingPod], readings: &[Reading]) -> Vec<String> {
    if pods.is_empty() {
        return vec!["no pod is running, so no request is in flight".to_owned()];
    }
    pods.iter()
        .zip(readings)
        .map(|(pod, reading)| match reading {
            Ok(count) => format!("Pod/{}: {count} requests running or waiting", pod.name),
            Err(why) => format!("Pod/{}: {why}", pod.name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_tell_nothing_are_not_taken_for_idle_ones() {
        let silent = || Err("x".to_owned());
        assert_eq!(sum(&[silent(), silent()]), None);
        assert_eq!(sum(&[silent(), Ok(2), Ok(3)]), Some(5));
        assert_eq!(sum(&[]), None);
    }
}
