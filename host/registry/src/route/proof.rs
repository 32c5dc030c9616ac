//! What clients get at the gateway: asked of each replica, and tied to the release's pods by their own counters.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use tokio::time::Instant;
use vllm_rollback_engine::failure::{Failure, FailureKind};

use super::routes::Routes;
use crate::router::{PAUSE, RouterAnswer, RouterLink, probe};

/// Requests to each replica in one look, so that a backend with a fair share of the traffic is met by one of them.
const PROBES: usize = 20;

/// How a gateway is asked.
pub(super) struct Proof<'a> {
    pub(super) link: &'a dyn RouterLink,
    pub(super) routes: &'a dyn Routes,
    pub(super) model: &'a str,
}

/// What one look at a replica showed.
struct Look {
    line: String,
    answered: usize,
    /// Answers that the release's pods gave meanwhile, to anybody; none when they do not tell.
    by_own: Option<u64>,
}

impl Proof<'_> {
    /// Waits until no replica sends requests to the release. With `others` beside it in a rule the gateway goes on answering,
    /// and only the pods' counters tell by whom.
    pub(super) async fn of_stop(&self, others: bool, end: Instant) -> Result<Vec<String>, Failure> {
        let replicas = self.link.replicas().await?;
        let mut lines = Vec::new();
        for replica in &replicas {
            let is_out = |look: &Look| match others {
                false => look.answered == 0,
                true => look.by_own == Some(0),
            };
            lines.push(self.until(replica, end, others, is_out).await?);
        }
        Ok(lines)
    }

    /// Waits until the release answers through every replica.
    pub(super) async fn of_answers(&self, end: Instant) -> Result<Vec<String>, Failure> {
        let replicas = self.link.replicas().await?;
        let mut lines = Vec::new();
        for replica in &replicas {
            let is_served = |look: &Look| look.answered > 0 && look.by_own != Some(0);
            lines.push(self.until(replica, end, true, is_served).await?);
        }
        Ok(lines)
    }

    async fn until(
        &self,
        replica: &str,
        end: Instant,
        counts: bool,
        wanted: impl Fn(&Look) -> bool,
    ) -> Result<String, Failure> {
        loop {
            let look = self.look(replica, counts).await?;
            if wanted(&look) {
                return Ok(look.line);
            }
            if Instant::now() + PAUSE > end {
                return Err(
                    Failure::new(FailureKind::Timeout, "the gateway does not follow its routes")
                        .because(look.line)
                        .next("look whether another route leads there, or whether this gateway ignores a weight of 0"),
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, replica: &str, counts: bool) -> Result<Look, Failure> {
        let before = if counts {
            self.routes.answered().await?
        } else {
            BTreeMap::new()
        };
        let probes = if counts { PROBES } else { 1 };
        let answers = try_join_all((0..probes).map(|_| probe(self.link, replica, self.model))).await?;
        let after = if counts {
            self.routes.answered().await?
        } else {
            BTreeMap::new()
        };
        let answered = answers
            .iter()
            .filter(|answer| matches!(answer, RouterAnswer::Answered(_)))
            .count();
        let by_own = if counts { risen(&before, &after) } else { None };
        let last = answers.last().map(ToString::to_string).unwrap_or_default();
        let mut line = format!("gateway at {replica}: a completion for {}: it {last}", self.model);
        if counts {
            line.push_str(&match by_own {
                Some(count) => {
                    format!("; of {probes} requests {answered} were answered, the release's pods answered {count}")
                }
                None => "; the release's pods do not tell how many requests they answer".to_owned(),
            });
        }
        Ok(Look { line, answered, by_own })
    }
}

/// Answers between two readings; none when a pod does not tell. A pod that came meanwhile counts from 0, and one whose counter
/// fell was started anew.
fn risen(before: &BTreeMap<String, Option<u64>>, after: &BTreeMap<String, Option<u64>>) -> Option<u64> {
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
    fn answers_are_those_of_pods_that_are_there_now() {
        let before = counts(&[("a", Some(5)), ("b", Some(7)), ("gone", Some(1))]);
        assert_eq!(risen(&before, &counts(&[("a", Some(5)), ("b", Some(7))])), Some(0));
        assert_eq!(
            risen(&before, &counts(&[("a", Some(6)), ("b", Some(2)), ("new", Some(3))])),
            Some(6)
        );
        assert_eq!(risen(&before, &counts(&[("a", Some(5)), ("b", None)])), None);
        assert_eq!(risen(&before, &counts(&[])), Some(0));
    }
}
