//! Building a [`Verdict`], and keeping it short and printable.

use crate::text::line;
use crate::{Measurement, contract};

/// Lines of evidence that leave the check; further ones are counted, not shown.
const MOST_EVIDENCE: usize = 40;

/// Outcome of a run. The contract has no others, and the tool takes any other word for `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// In order.
    Pass,
    /// Not in order.
    Fail,
    /// The check ran and could not tell.
    Inconclusive,
    /// The check itself could not run.
    Error,
}

impl Outcome {
    /// The word in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }
}

/// Finding of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Outcome.
    pub outcome: Outcome,
    /// One line for people: what was seen, not what to think of it.
    pub summary: String,
    /// Numbers that were measured.
    pub measurements: Vec<Measurement>,
    /// Short excerpts of what was observed: a status line, the start of an answer.
    pub evidence: Vec<String>,
}

/// In the contract's words.
impl From<Verdict> for contract::Verdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            outcome: verdict.outcome.as_str().to_owned(),
            summary: verdict.summary,
            measurements: verdict.measurements,
            evidence: verdict.evidence,
            extra: Vec::new(),
        }
    }
}

impl Verdict {
    /// The model does what the check is about. `summary` is one line of what was seen.
    pub fn pass(summary: impl AsRef<str>) -> Self {
        Self::new(Outcome::Pass, summary.as_ref())
    }

    /// The model does not. It stays out of traffic.
    pub fn fail(summary: impl AsRef<str>) -> Self {
        Self::new(Outcome::Fail, summary.as_ref())
    }

    /// The check ran and could not tell. A required check that cannot tell does not let the model back either.
    pub fn inconclusive(summary: impl AsRef<str>) -> Self {
        Self::new(Outcome::Inconclusive, summary.as_ref())
    }

    /// The check itself could not run: a grant is missing, a parameter is wrong.
    pub fn error(summary: impl AsRef<str>) -> Self {
        Self::new(Outcome::Error, summary.as_ref())
    }

    fn new(outcome: Outcome, summary: &str) -> Self {
        Self {
            outcome,
            summary: line(summary),
            measurements: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// Adds one excerpt of what was observed, cut to 200 characters with control characters escaped.
    #[must_use]
    pub fn evidence(mut self, excerpt: impl AsRef<str>) -> Self {
        self.evidence.push(line(excerpt.as_ref()));
        self
    }

    /// Adds several excerpts.
    #[must_use]
    pub fn evidence_lines<S: AsRef<str>>(self, excerpts: impl IntoIterator<Item = S>) -> Self {
        excerpts
            .into_iter()
            .fold(self, |verdict, excerpt| verdict.evidence(excerpt))
    }

    /// Adds a number that was measured.
    #[must_use]
    pub fn measured(mut self, measurement: Measurement) -> Self {
        self.measurements.push(measurement);
        self
    }

    /// The same with every text short and printable, however it was built.
    pub(crate) fn bounded(mut self) -> Self {
        let left_out = self.evidence.len().saturating_sub(MOST_EVIDENCE);
        self.evidence.truncate(MOST_EVIDENCE);
        for text in self.evidence.iter_mut().chain([&mut self.summary]) {
            *text = line(text);
        }
        if left_out > 0 {
            self.evidence.push(format!("… and {left_out} more"));
        }
        self
    }
}

impl Measurement {
    /// A number with its unit: `ms`, `s`, `1` (a count), `By`, `tokens`.
    pub fn new(name: &str, value: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            limit: None,
            extra: Vec::new(),
        }
    }

    /// The bound that the number was held against, in the same unit.
    #[must_use]
    pub fn held_against(self, limit: f64) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_built_by_hand_goes_out_short_and_printable() {
        let raw = Verdict {
            outcome: Outcome::Pass,
            summary: "fine\n\u{1b}[31m".to_owned(),
            measurements: Vec::new(),
            evidence: vec!["x".repeat(5_000); 100],
        };
        let bounded = raw.bounded();
        assert_eq!(bounded.summary, "fine\\n\\u{1b}[31m");
        assert_eq!(bounded.evidence.len(), MOST_EVIDENCE + 1);
        assert_eq!(bounded.evidence[0].chars().count(), 200);
        assert_eq!(bounded.evidence[MOST_EVIDENCE], "… and 60 more");
    }
}
