//! Verification at the gateway: requests to each replica, matched with the request counters of the release's pods.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use tokio::time::Instant;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::{RouterClient, Routes};
use vllm_rollback_objects::http::Response;

use super::gateway_probe::{GatewayProbe, ResponseOrigin, is_unrouted, origin};
use crate::router::{PAUSE, first_answer, judged};

/// Requests to each replica in one look, at least.
pub(super) const MIN_REPEATS: usize = 20;

/// Requests at a time.
const CONCURRENCY: usize = 20;

/// Requests to each replica in one look, at most: others answer them.
const MAX_REPEATS: usize = 500;

/// Probability that at least one request reaches the release, if it still has its share.
const CONFIDENCE: f64 = 0.99;

/// Requests needed to reach a backend that has this share (0 to 1) of a rule's traffic.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn repeats(share: f64) -> usize {
    let needed = ((1.0 - CONFIDENCE).ln() / (-share).ln_1p()).ceil();
    // Far below 2^53, or infinite where the share is next to nothing.
    (needed.min(MAX_REPEATS as f64) as usize).max(MIN_REPEATS)
}

/// Sends probes through a gateway and judges the answers.
pub(super) struct GatewayVerifier<'a> {
    pub(super) client: &'a dyn RouterClient,
    pub(super) routes: &'a dyn Routes,
    /// Requests to send, one for each way to the release.
    pub(super) probes: Vec<GatewayProbe>,
    /// Requests per replica, enough to see whether the release is among those that answer.
    pub(super) repeats: usize,
}

/// Result of one round of probes at a replica.
struct ProbeRound {
    line: String,
    asked: usize,
    answered: usize,
    turned_away: usize,
    /// Answers that the release's pods gave meanwhile, to anybody; none when they do not tell.
    by_own: Option<u64>,
}

impl GatewayVerifier<'_> {
    /// Every replica has a rule for what it is asked.
    pub(super) async fn is_possible(&self) -> Result<(), Failure> {
        let replicas = self.client.replicas().await?;
        let asking = replicas.iter().flat_map(|replica| {
            self.probes.iter().map(move |probe| async move {
                match first_answer(self.client, replica, &probe.request).await? {
                    Some(reply) if is_unrouted(&reply) => Err(Failure::refused(format!(
                        "the gateway at {replica} has no rule for {}",
                        probe.line()
                    ))
                    .because(reply.line())
                    .because("so it could not prove that the model is out of traffic")
                    .next("check that this is the gateway that the routes name, and how clients reach it")),
                    _ => Ok(()),
                }
            })
        });
        try_join_all(asking).await.map(drop)
    }

    /// Waits until no replica sends requests to the release. With others beside it in a rule the gateway goes on answering,
    /// and only the pods' counters tell by whom.
    pub(super) async fn of_stop(&self, end: Instant) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for replica in &self.client.replicas().await? {
            for probe in &self.probes {
                let is_out = |look: &ProbeRound| match probe.has_others {
                    false => look.turned_away == look.asked,
                    true => look.by_own == Some(0) && look.answered + look.turned_away > 0,
                };
                lines.push(self.until(replica, probe, end, probe.has_others, is_out).await?);
            }
        }
        Ok(lines)
    }

    /// Waits until the release answers through every replica. Where it is asked for nothing that it surely knows, it is
    /// enough that the gateway lets requests through.
    pub(super) async fn of_answers(&self, end: Instant) -> Result<Vec<String>, Failure> {
        let is_usual = self.probes.iter().any(GatewayProbe::is_usual);
        let is_served = |look: &ProbeRound| {
            let is_through = match is_usual {
                true => look.answered > 0,
                false => look.turned_away < look.asked,
            };
            is_through && look.by_own != Some(0)
        };
        let mut lines = Vec::new();
        for replica in &self.client.replicas().await? {
            for probe in self.probes.iter().filter(|probe| probe.is_usual() == is_usual) {
                lines.push(self.until(replica, probe, end, true, is_served).await?);
            }
        }
        Ok(lines)
    }

    async fn until(
        &self,
        replica: &str,
        probe: &GatewayProbe,
        end: Instant,
        counts: bool,
        wanted: impl Fn(&ProbeRound) -> bool,
    ) -> Result<String, Failure> {
        loop {
            let look = self.inspect(replica, probe, counts).await?;
            if wanted(&look) {
                return Ok(look.line);
            }
            if Instant::now() + PAUSE > end {
                return Err(Failure::timeout("the gateway does not follow its routes")
                    .because(look.line)
                    .next("check whether another route leads there, or whether this gateway ignores a weight of 0"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A backend that hangs still gets requests: no answer in time is status 0.
    async fn ask(&self, replica: &str, probe: &GatewayProbe) -> Result<Response, Failure> {
        match judged(self.client, replica, &probe.request).await {
            Ok((reply, _)) => Ok(reply),
            Err(failure) if failure.kind == FailureKind::Timeout => Ok(Response::default()),
            Err(failure) => Err(failure),
        }
    }

    async fn inspect(&self, replica: &str, probe: &GatewayProbe, counts: bool) -> Result<ProbeRound, Failure> {
        let before = if counts {
            self.routes.answered().await?
        } else {
            BTreeMap::new()
        };
        let asked = if counts { self.repeats } else { 1 };
        let mut replies = Vec::with_capacity(asked);
        while replies.len() < asked {
            let some = CONCURRENCY.min(asked - replies.len());
            replies.extend(try_join_all((0..some).map(|_| self.ask(replica, probe))).await?);
        }
        let after = if counts {
            self.routes.answered().await?
        } else {
            BTreeMap::new()
        };
        let number = |wanted| replies.iter().filter(|reply| origin(reply) == wanted).count();
        let (answered, turned_away) = (number(ResponseOrigin::Backend), number(ResponseOrigin::Gateway));
        let by_own = if counts { requests_since(&before, &after) } else { None };
        let last = replies.last().map(|reply| match origin(reply) {
            ResponseOrigin::Backend => format!("is answered (HTTP {})", reply.status),
            ResponseOrigin::Gateway => format!("is turned away (HTTP {})", reply.status),
            ResponseOrigin::Unknown if reply.status == 0 => "gets no answer in time".to_owned(),
            ResponseOrigin::Unknown => format!("gets HTTP {}", reply.status),
        });
        let mut line = format!("gateway at {replica}: {} {}", probe.line(), last.unwrap_or_default());
        if counts {
            line.push_str(&match by_own {
                Some(count) => {
                    format!("; of {asked} requests {answered} were answered, the release's pods answered {count}")
                }
                None => "; the release's pods do not report how many requests they answer".to_owned(),
            });
        }
        Ok(ProbeRound {
            line,
            asked,
            answered,
            turned_away,
            by_own,
        })
    }
}

/// Answers between two readings; none when a pod does not tell. A pod that came meanwhile counts from 0, and one whose counter
/// fell was started anew.
fn requests_since(before: &BTreeMap<String, Option<u64>>, after: &BTreeMap<String, Option<u64>>) -> Option<u64> {
    after.iter().try_fold(0_u64, |sum, (pod, count)| {
        let count = (*count)?;
        let was = before
            .get(pod)
            .copied()
            .flatten()
            .filter(|was| *was <= count)
            .unwrap_or(0);
        Some(sum.saturating_add(count - was))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pods: &[(&str, Option<u64>)]) -> BTreeMap<String, Option<u64>> {
        pods.iter().map(|(pod, count)| ((*pod).to_owned(), *count)).collect()
    }

    #[test]
    fn a_small_share_is_looked_for_longer() {
        assert_eq!(repeats(1.0), MIN_REPEATS);
        assert_eq!(repeats(0.5), MIN_REPEATS);
        assert_eq!(repeats(0.1), 44);
        assert_eq!(repeats(0.01), 459);
        assert_eq!(repeats(1e-9), MAX_REPEATS);
        assert_eq!(repeats(0.0), MAX_REPEATS);
    }

    #[test]
    fn answers_are_those_of_pods_that_are_there_now() {
        let before = counts(&[("a", Some(5)), ("b", Some(7)), ("gone", Some(1))]);
        assert_eq!(
            requests_since(&before, &counts(&[("a", Some(5)), ("b", Some(7))])),
            Some(0)
        );
        assert_eq!(
            requests_since(&before, &counts(&[("a", Some(6)), ("b", Some(2)), ("new", Some(3))])),
            Some(6)
        );
        assert_eq!(requests_since(&before, &counts(&[("a", Some(5)), ("b", None)])), None);
        assert_eq!(requests_since(&before, &counts(&[])), Some(0));
    }
}
