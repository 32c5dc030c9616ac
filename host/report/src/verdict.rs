//! Verdicts of checks, as words.

use vllm_rollback_engine::check::{CheckSpec, Measurement, Outcome, Verdict};

use crate::style::{FAINT, STRONG, StatusIcon};
use crate::text::{Span, TextWriter, plain, span};

/// `latency 412 ms (limit 3000 ms)`.
pub(crate) fn measured(measurement: &Measurement) -> String {
    let unit = match measurement.unit.as_str() {
        "1" | "" => String::new(),
        unit => format!(" {unit}"),
    };
    let value = number(measurement.value);
    match measurement.limit {
        Some(limit) => format!("{} {value}{unit} (limit {}{unit})", measurement.name, number(limit)),
        None => format!("{} {value}{unit}", measurement.name),
    }
}

/// Three significant decimals at most, none when it is whole.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The pieces of a verdict's line: check, pod, summary, numbers.
pub(crate) fn spans(verdict: &Verdict) -> Vec<Span> {
    let mut spans = vec![span(STRONG, format!("{:<16} ", verdict.check))];
    if verdict.outcome != Outcome::Pass {
        spans.push(span(
            StatusIcon::from(verdict.outcome).style(),
            format!("{}: ", verdict.outcome),
        ));
    }
    spans.push(plain(verdict.summary.clone()));
    let numbers: Vec<String> = verdict.measurements.iter().map(measured).collect();
    if !numbers.is_empty() {
        spans.push(span(FAINT, format!("  {}", numbers.join(", "))));
    }
    if let Some(pod) = &verdict.pod {
        spans.push(span(FAINT, format!("  pod {pod}")));
    }
    if !verdict.required {
        spans.push(span(FAINT, "  not required"));
    }
    spans
}

/// Evidence and the last log lines of a verdict that did not pass.
pub(crate) fn details(out: &mut TextWriter, indent: usize, verdict: &Verdict) {
    if verdict.outcome == Outcome::Pass {
        return;
    }
    const LOG_LINES: usize = 5;
    let log = &verdict.log[verdict.log.len().saturating_sub(LOG_LINES)..];
    out.seen(indent, &verdict.evidence);
    out.labelled(indent, "log:  ", log);
}

/// Checks that were planned and did not run, each with the reason.
pub(crate) fn skipped(out: &mut TextWriter, planned: &[CheckSpec]) {
    for check in planned {
        if let Some(reason) = &check.skipped {
            out.marked(
                2,
                StatusIcon::Skipped,
                &[
                    span(STRONG, format!("{:<16} ", check.name)),
                    plain(format!("not run: {reason}")),
                ],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_against_their_limits() {
        let latency = Measurement {
            name: "latency".into(),
            value: 412.0,
            unit: "ms".into(),
            limit: Some(3000.0),
        };
        assert_eq!(measured(&latency), "latency 412 ms (limit 3000 ms)");
        let count = Measurement {
            name: "restarts".into(),
            value: 0.25,
            unit: "1".into(),
            limit: None,
        };
        assert_eq!(measured(&count), "restarts 0.25");
    }
}
