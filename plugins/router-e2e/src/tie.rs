//! Tying the answers to the pods: by a header that names one, else by the pods' own counters.

use std::time::Duration;

use vllm_rollback_plugin::metrics::completions;
use vllm_rollback_plugin::{Outcome, Pod, prelude::*};

use crate::Parameters;
use crate::probe::Probes;

/// Headers in which routers name what served the request.
const SERVED_BY: [&str; 4] = [
    "x-routing-backend",
    "x-inference-pod",
    "x-gateway-destination-endpoint-served",
    "x-litellm-model-api-base",
];
/// Pause between two looks at counters that lag.
const PAUSE: Duration = Duration::from_millis(100);

/// The counter of completions of each pod that could be read.
pub(crate) struct Counters {
    /// Pod, counter and value.
    values: Vec<(String, &'static str, f64)>,
    /// Why the other pods could not be read.
    unread: Vec<String>,
}

impl Counters {
    pub(crate) fn read(world: &impl World, pods: &[Pod]) -> Self {
        let mut counters = Self {
            values: Vec::new(),
            unread: Vec::new(),
        };
        for pod in pods {
            match world.scrape(&pod.name) {
                Ok(samples) => match completions(&samples) {
                    Some((counter, value)) => counters.values.push((pod.name.clone(), counter, value)),
                    None => counters.unread.push(format!("{}: no counter of completions", pod.name)),
                },
                Err(error) => counters
                    .unread
                    .push(error.said(&format!("reading /metrics of {}", pod.name))),
            }
        }
        counters
    }

    /// How much the counters rose since, over the pods that were read both times. A counter that fell began anew.
    fn rise_since(&self, before: &Self) -> f64 {
        let rise = |(pod, counter, value): &(String, &'static str, f64)| {
            let was = before
                .values
                .iter()
                .find(|(name, same, _)| name == pod && same == counter);
            was.map_or(0.0, |(_, _, was)| if value >= was { value - was } else { *value })
        };
        self.values.iter().map(rise).sum()
    }
}

/// Whether the probes were answered by the pods.
pub(crate) fn evaluate(
    world: &impl World,
    context: &Context,
    before: &Counters,
    probes: &Probes,
    parameters: &Parameters,
) -> Finding {
    let answered = u32::try_from(probes.answers.len()).unwrap_or(u32::MAX);
    let wanted = match parameters.least {
        0 => answered,
        least => least.min(answered),
    };
    let seen = |verdict: Verdict| {
        let slowest = probes.answers.iter().map(|answer| answer.total_ms).fold(0.0, f64::max);
        verdict
            .evidence_lines(&probes.attempts)
            .evidence_lines(probes.answers.iter().flat_map(served_by))
            .measured(Measurement::new("router-latency", slowest, "ms"))
    };

    let named = probes
        .answers
        .iter()
        .filter(|answer| names_a_pod(answer, &context.pods))
        .count();
    if named >= wanted as usize {
        return Ok(seen(Verdict::pass(format!(
            "{named} of {answered} answers through the router name pods of the release"
        ))));
    }
    if before.values.is_empty() {
        let verdict = Verdict::inconclusive("the router answered, but nothing shows that the new pods did: no metrics");
        return Err(seen(verdict).evidence_lines(&before.unread));
    }

    let rise = settle(world, &context.pods, before, wanted.into(), parameters);
    let pods = before.values.len();
    let verdict = if rise >= f64::from(wanted) {
        Verdict::pass(format!(
            "{answered} answers through the router, counters of {pods} pods rose by {rise}"
        ))
    } else if before.unread.is_empty() {
        Verdict::fail(format!(
            "the router answered {answered} times, but the counters of {pods} pods rose by {rise}: another deployment answered"
        ))
    } else {
        Verdict::inconclusive(format!(
            "the router answered {answered} times, the counters of {pods} of {} pods rose by {rise}; the others cannot be read",
            context.pods.len()
        ))
    };
    let counters = before
        .values
        .iter()
        .map(|(pod, counter, value)| format!("{pod}: {counter} was {value} before"));
    let verdict = seen(verdict)
        .evidence_lines(counters)
        .evidence_lines(&before.unread)
        .measured(Measurement::new("counter-rise", rise, "1").held_against(wanted.into()));
    if verdict.outcome == Outcome::Pass {
        Ok(verdict)
    } else {
        Err(verdict)
    }
}

/// The rise, as soon as it is enough or the counters had their time.
fn settle(world: &impl World, pods: &[Pod], before: &Counters, wanted: f64, parameters: &Parameters) -> f64 {
    let deadline = world.now() + Duration::from_millis(parameters.metrics_lag_ms.into());
    loop {
        let last_look = world.now() >= deadline;
        let rise = Counters::read(world, pods).rise_since(before);
        if rise >= wanted || last_look {
            return rise;
        }
        world.sleep(PAUSE);
    }
}

fn served_by(answer: &Response) -> Option<String> {
    SERVED_BY
        .iter()
        .find_map(|name| answer.header(name).map(|value| format!("{name}: {value}")))
}

/// A header holds the name of one of the pods, as a word of its own: `demo-1` is not in `demo-10`.
fn names_a_pod(answer: &Response, pods: &[Pod]) -> bool {
    let named = |value: &str, pod: &Pod| {
        value
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
            .any(|word| word == pod.name)
    };
    SERVED_BY
        .iter()
        .filter_map(|name| answer.header(name))
        .any(|value| pods.iter().any(|pod| named(value, pod)))
}
