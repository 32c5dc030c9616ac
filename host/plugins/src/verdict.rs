//! From what a component answered, or did not, to a verdict that can be shown and kept.

use vllm_rollback_engine::check::{Measurement, Outcome, Phase, Verdict};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;

use crate::runtime::CheckExit;
use crate::untrusted;

/// Bounds of what a verdict holds.
const SUMMARY: usize = 300;
const EVIDENCE: usize = 10;
const EVIDENCE_LINE: usize = 300;
const MEASUREMENTS: usize = 32;
const NAME: usize = 64;
const UNIT: usize = 16;

/// Check and pod that a verdict is of.
#[derive(Debug, Clone)]
pub(crate) struct VerdictHeader {
    pub(crate) check: String,
    pub(crate) phase: Phase,
    pub(crate) required: bool,
    pub(crate) pod: Option<String>,
}

impl VerdictHeader {
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
    pub(crate) fn ended(self, ended: CheckExit, seconds: f64) -> Verdict {
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
        let known = OUTCOMES.iter().find(|(word, _)| *word == answer.outcome);
        let (outcome, summary) = match known {
            Some((_, outcome)) => (*outcome, untrusted::start(&answer.summary, SUMMARY)),
            // It may mean anything, so it lets nothing pass.
            None => {
                let said = untrusted::start(&answer.outcome, NAME);
                let summary = format!("no verdict: it answered {said:?}, which is no outcome that this tool knows");
                (Outcome::Error, summary)
            }
        };
        let evidence = answer.evidence.iter().map(|line| untrusted::start(line, EVIDENCE_LINE));
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

/// NaN and infinities are left out: JSON does not have them, and they measure nothing.
fn measurement(said: abi::Measurement) -> Option<Measurement> {
    said.value.is_finite().then(|| Measurement {
        name: untrusted::start(&said.name, NAME),
        value: said.value,
        unit: untrusted::start(&said.unit, UNIT),
        limit: said.limit.filter(|limit| limit.is_finite()),
    })
}

/// The contract's words.
const OUTCOMES: [(&str, Outcome); 4] = [
    ("pass", Outcome::Pass),
    ("fail", Outcome::Fail),
    ("inconclusive", Outcome::Inconclusive),
    ("error", Outcome::Error),
];

fn word(outcome: Outcome) -> &'static str {
    let found = OUTCOMES.iter().find(|(_, one)| *one == outcome);
    found.map_or("error", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    fn header() -> VerdictHeader {
        VerdictHeader {
            check: "probe".to_owned(),
            phase: Phase::Direct,
            required: true,
            pod: Some("llama-0".to_owned()),
        }
    }

    fn answer() -> abi::Verdict {
        abi::Verdict {
            outcome: "pass".to_owned(),
            summary: "fine".to_owned(),
            measurements: vec![],
            evidence: vec![],
            extra: vec![],
        }
    }

    fn ended(answer: abi::Verdict) -> CheckExit {
        CheckExit {
            result: Ok(answer),
            log: vec!["info: x".to_owned()],
            denial: None,
        }
    }

    #[test]
    fn an_answer_becomes_a_verdict() {
        let verdict = header().ended(ended(answer()), 1.5);
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
            extra: vec![],
        };
        let huge = abi::Verdict {
            outcome: "fail".to_owned(),
            summary: "\u{1b}[31mx\n".repeat(10_000_000),
            measurements: vec![measurement; 1000],
            evidence: vec!["line\u{7}".repeat(1000); 1000],
            extra: vec![("key".to_owned(), "value".repeat(1000)); 1000],
        };
        let verdict = header().ended(ended(huge), 0.0);
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
    fn an_outcome_that_is_not_known_is_an_error_and_never_a_pass() {
        for word in ["", "Pass", "passed", "pass ", "pass\u{1b}[8m", "ok"] {
            let said = abi::Verdict {
                outcome: word.to_owned(),
                ..answer()
            };
            let verdict = header().ended(ended(said), 0.0);
            assert_eq!(verdict.outcome, Outcome::Error, "{word:?}");
            assert!(
                verdict.summary.contains("is no outcome that this tool knows"),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let measure = |value| abi::Measurement {
            name: "m".to_owned(),
            value,
            unit: "1".to_owned(),
            limit: None,
            extra: vec![],
        };
        let odd = abi::Verdict {
            measurements: [f64::NAN, f64::INFINITY, 2.0].map(measure).to_vec(),
            ..answer()
        };
        let verdict = header().ended(ended(odd), 0.0);
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
        let verdict = header().ended(
            CheckExit {
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
        let denied = CheckExit {
            denial: Some("`host:x` was not granted to probe".to_owned()),
            ..ended(answer())
        };
        let verdict = header().ended(denied, 0.0);
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Error, "`host:x` was not granted to probe")
        );
        assert_eq!(verdict.evidence, ["it said pass: fine"]);
    }
}
