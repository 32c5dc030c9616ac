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

/// Answer of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    InFlight(u64),
    /// Answers, but not with vLLM's gauges.
    Silent(String),
    /// Does not answer, so it serves nobody.
    Gone(String),
}

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
            let count = in_flight.unwrap_or(0);
            observer.event(Event::Progress {
                text: format!("{count} requests in flight"),
            });
            told = in_flight;
        }
        tokio::time::sleep_until((Instant::now() + PAUSE).min(end)).await;
    }
}

async fn read(http: &PodHttp, pod: &ServingPod) -> Reading {
    match metrics::read(http, pod).await {
        Ok(metrics) => match metrics.in_flight() {
            Some(count) => Reading::InFlight(count),
            None => Reading::Silent("/metrics has no gauges of running and waiting requests".to_owned()),
        },
        Err(Unread::NoAnswer(error)) => Reading::Gone(error.to_string()),
        Err(Unread::NotTold(why)) => Reading::Silent(why),
    }
}

/// None when no pod told a number.
fn sum(readings: &[Reading]) -> Option<u64> {
    readings
        .iter()
        .filter_map(|reading| match reading {
            Reading::InFlight(count) => Some(*count),
            Reading::Silent(_) | Reading::Gone(_) => None,
        })
        .reduce(u64::saturating_add)
}

fn evidence(pods: &[ServingPod], readings: &[Reading]) -> Vec<String> {
    if pods.is_empty() {
        return vec!["no pod is running, so no request is in flight".to_owned()];
    }
    pods.iter()
        .zip(readings)
        .map(|(pod, reading)| match reading {
            Reading::InFlight(count) => format!("Pod/{}: {count} requests running or waiting", pod.name),
            Reading::Silent(why) => format!("Pod/{}: requests in flight are not known: {why}", pod.name),
            Reading::Gone(why) => format!("Pod/{}: does not answer, so it serves nobody: {why}", pod.name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_tell_nothing_are_not_taken_for_idle_ones() {
        let silent = Reading::Silent("x".into());
        let gone = Reading::Gone("x".into());
        assert_eq!(sum(&[silent.clone(), gone]), None);
        assert_eq!(sum(&[silent, Reading::InFlight(2), Reading::InFlight(3)]), Some(5));
        assert_eq!(sum(&[]), None);
    }
}
