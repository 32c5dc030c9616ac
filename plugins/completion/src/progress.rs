//! Forward progress: the server's own counters rise with the answers.

use std::time::Duration;

use vllm_rollback_plugin::metrics::{GENERATION_TOKENS, completions, total};
use vllm_rollback_plugin::{Outcome, prelude::*};

use crate::Parameters;

/// Pause between two looks at counters that lag.
const PAUSE: Duration = Duration::from_millis(100);

/// The counter that is watched and its value, or why there is none.
pub(crate) type Reading = Result<(&'static str, f64), String>;

/// Reads the counter of generated tokens of the pod under check, or another that rises with a completion.
pub(crate) fn read(world: &impl World) -> Reading {
    let samples = world.scrape("").map_err(|error| error.said("reading /metrics"))?;
    total(&samples, GENERATION_TOKENS)
        .map(|sum| (GENERATION_TOKENS, sum))
        .or_else(|| completions(&samples))
        .ok_or_else(|| "/metrics has no counter that rises with a completion".to_owned())
}

/// Adds what the counter did to the verdict. Without a counter the two good answers stand alone, and that is said.
pub(crate) fn evaluate(
    world: &impl World,
    before: Reading,
    tokens: u64,
    parameters: &Parameters,
    verdict: Verdict,
) -> Finding {
    let (counter, start) = match before {
        Ok(reading) => reading,
        Err(why) => return Ok(verdict.evidence(format!("counters were not watched: {why}"))),
    };
    let deadline = world.now() + Duration::from_millis(parameters.metrics_lag_ms.into());
    let rise = loop {
        let last_look = world.now() >= deadline;
        match read(world) {
            Ok((same, value)) if same == counter && (value != start || last_look) => break value - start,
            Ok((same, _)) if last_look => return Err(failed(verdict, format!("{counter} gave way to {same}"))),
            Err(why) if last_look => return Err(failed(verdict, format!("after the answers, {why}"))),
            Ok(_) | Err(_) => world.sleep(PAUSE),
        }
    };
    let verdict = verdict
        .evidence(format!(
            "{counter}: {start} → {} ({tokens} tokens were answered)",
            start + rise
        ))
        .measured(Measurement::new(
            "counter-rise",
            rise,
            if counter == GENERATION_TOKENS { "tokens" } else { "1" },
        ));
    if rise > 0.0 {
        return Ok(verdict);
    }
    let problem = if rise < 0.0 {
        format!("{counter} fell during the check: the server restarted")
    } else {
        format!("two answers came back, but the pod's {counter} did not rise")
    };
    Err(failed(verdict, problem))
}

fn failed(verdict: Verdict, problem: String) -> Verdict {
    Verdict {
        outcome: Outcome::Fail,
        summary: problem,
        ..verdict
    }
}
