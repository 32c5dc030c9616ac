//! From what a component answered, or did not, to a verdict that can be shown and kept.

use vllm_rollback_engine::check::{Measurement, Outcome, Phase, Verdict};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;

use crate::runtime::Ended;
use crate::untrusted;

/// Bounds of what a verdict holds.
const SUMMARY: usize = 300;
const EVIDENCE: usize = 10;
const EVIDENCE_LINE: usize = 300;
const MEASUREMENTS: usize = 32;
const NAME: usize = 64;
const UNIT: usize = 16;

/// Who ran, for a verdict.
#[derive(Debug, Clone)]
pub(crate) struct Of {
    pub(crate) check: String,
    pub(crate) phase: Phase,
    pub(crate) required: bool,
    pub(crate) pod: Option<String>,
}

impl Of {
    /// The verdict of a check that could not run.
    pub(crate) fn error(self, summary: String) -> Verdict {
        Verdict {
            check: self.check,
            phase: self.phase,
            required: self.required,
            pod: self.pod,
            outcome: Outcome::Error,
            summary: untrusted::line(&summary, SUMMARY),
            measurements: Vec::new(),
            evidence: Vec::new(),
            log: Vec::new(),
            seconds: 0.0,
        }
    }

    /// The verdict of a run that ended.
    pub(crate) fn ended(self, ended: Ended, seconds: f64) -> Verdict {
        let mut verdict = match ended.result {
            Ok(answer) => self.answered(answer),
            Err(fault) => Verdict {
                evidence: fault.evidence,
                ..self.error(format!("no verdict: {}", fault.what))
            },
        };
        if let Some(denial) = ended.denial {
            // Whatever it made of that, it did not look at what it was meant to look at.
            let said = std::mem::replace(&mut verdict.summary, untrusted::line(&denial, SUMMARY));
            verdict
                .evidence
                .insert(0, format!("it said {}: {said}", word(verdict.outcome)));
            verdict.evidence.truncate(EVIDENCE);
            verdict.outcome = Outcome::Error;
        }
        verdict.log = ended.log;
        verdict.seconds = seconds;
        verdict
    }

    fn answered(self, answer: abi::Verdict) -> Verdict {
        let outcome = match answer.outcome {
            abi::Outcome::Pass => Outcome::Pass,
            abi::Outcome::Fail => Outcome::Fail,
            abi::Outcome::Inconclusive => Outcome::Inconclusive,
            abi::Outcome::Error => Outcome::Error,
        };
        let summary = bounded(&answer.summary, SUMMARY);
        let evidence = answer.evidence.iter().map(|line| bounded(line, EVIDENCE_LINE));
        Verdict {
            outcome,
            summary: if summary.is_empty() {
                "no summary".to_owned()
            } else {
                summary
            },
            measurements: answer
                .measurements
                .into_iter()
                .filter_map(measurement)
                .take(MEASUREMENTS)
                .collect(),
            evidence: evidence.filter(|line| !line.is_empty()).take(EVIDENCE).collect(),
            ..self.error(String::new())
        }
    }
}

fn bounded(text: &str, max: usize) -> String {
    untrusted::line(untrusted::head(text, max * 8), max)
}

/// NaN and infinities are left out: JSON does not have them, and they measure nothing.
fn measurement(said: abi::Measurement) -> Option<Measurement> {
    said.value.is_finite().then(|| Measurement {
        name: bounded(&said.name, NAME),
        value: said.value,
        unit: bounded(&said.unit, UNIT),
        limit: said.limit.filter(|limit| limit.is_finite()),
    })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    fn of() -> Of {
        Of {
            check: "probe".to_owned(),
            phase: Phase::Direct,
            required: true,
            pod: Some("llama-0".to_owned()),
        }
    }

    fn answer() -> abi::Verdict {
        abi::Verdict {
            outcome: abi::Outcome::Pass,
            summary: "fine".to_owned(),
            measurements: vec![],
            evidence: vec![],
        }
    }

    fn ended(answer: abi::Verdict) -> Ended {
        Ended {
            result: Ok(answer),
            log: vec!["info: x".to_owned()],
            denial: None,
        }
    }

    #[test]
    fn an_answer_becomes_a_verdict() {
        let verdict = of().ended(ended(answer()), 1.5);
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str(), verdict.seconds),
            (Outcome::Pass, "fine", 1.5)
        );
        assert_eq!(
            (verdict.pod.as_deref(), verdict.log.len(), verdict.required),
            (Some("llama-0"), 1, true)
        );
    }

    #[test]
    fn a_huge_or_garbled_answer_is_bounded_and_cleaned() {
        let measurement = abi::Measurement {
            name: "n".repeat(999),
            value: 1.0,
            unit: "ms".to_owned(),
            limit: Some(f64::NAN),
        };
        let huge = abi::Verdict {
            outcome: abi::Outcome::Fail,
            summary: "\u{1b}[31mx\n".repeat(10_000_000),
            measurements: vec![measurement; 1000],
            evidence: vec!["line\u{7}".repeat(1000); 1000],
        };
        let verdict = of().ended(ended(huge), 0.0);
        assert!(verdict.summary.chars().count() <= 300 && !verdict.summary.contains('\u{1b}'));
        assert_eq!((verdict.evidence.len(), verdict.measurements.len()), (10, 32));
        assert!(
            verdict
                .evidence
                .iter()
                .all(|line| line.chars().count() <= 300 && !line.contains('\u{7}'))
        );
        assert_eq!(
            (
                verdict.measurements[0].name.chars().count(),
                verdict.measurements[0].limit
            ),
            (64, None)
        );
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let measure = |value| abi::Measurement {
            name: "m".to_owned(),
            value,
            unit: "1".to_owned(),
            limit: None,
        };
        let odd = abi::Verdict {
            measurements: [f64::NAN, f64::INFINITY, 2.0].map(measure).to_vec(),
            ..answer()
        };
        let verdict = of().ended(ended(odd), 0.0);
        assert_eq!(
            verdict.measurements.iter().map(|one| one.value).collect::<Vec<_>>(),
            [2.0]
        );
    }

    #[test]
    fn a_trap_is_an_error_and_never_a_pass() {
        let fault = Fault {
            what: "it panicked: boom".to_owned(),
            evidence: vec!["in run".to_owned()],
        };
        let verdict = of().ended(
            Ended {
                result: Err(fault),
                log: vec![],
                denial: None,
            },
            0.0,
        );
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Error, "no verdict: it panicked: boom")
        );
        assert_eq!(verdict.evidence, ["in run"]);
    }

    #[test]
    fn a_check_that_was_denied_something_cannot_pass() {
        let denied = Ended {
            denial: Some("`host:x` was not granted to probe".to_owned()),
            ..ended(answer())
        };
        let verdict = of().ended(denied, 0.0);
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Error, "`host:x` was not granted to probe")
        );
        assert_eq!(verdict.evidence, ["it said pass: fine"]);
    }
}
