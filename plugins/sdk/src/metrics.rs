//! Counters of a vLLM server, from its parsed `/metrics`.
//!
//! Names and meaning: `vllm/v1/metrics/loggers.py` of vLLM 0.33.0; `http_requests_total` is
//! prometheus-fastapi-instrumentator's, on the same page. Counters begin at zero with each start of the server.

use crate::Sample;

/// Tokens generated, one series per engine.
pub const GENERATION_TOKENS: &str = "vllm:generation_tokens_total";
/// Requests finished, by `finished_reason`.
pub const REQUESTS_FINISHED: &str = "vllm:request_success_total";
/// Answers of the HTTP server, by `handler`, `method` and `status`.
pub const HTTP_REQUESTS: &str = "http_requests_total";

/// Sum over all series of a counter, or none when the page does not have it.
pub fn total(samples: &[Sample], name: &str) -> Option<f64> {
    total_where(samples, name, |_| true)
}

/// Sum over the series whose labels are wanted, or none when there is no such series.
pub fn total_where(samples: &[Sample], name: &str, wanted: impl Fn(&Sample) -> bool) -> Option<f64> {
    let mut values = samples
        .iter()
        .filter(|sample| sample.name == name && wanted(sample))
        .map(|sample| sample.value);
    let first = values.next()?;
    Some(values.fold(first, |sum, value| sum + value))
}

/// The value of a label.
pub fn label<'a>(sample: &'a Sample, name: &str) -> Option<&'a str> {
    sample
        .labels
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Sum of a counter of completions: the first that the page has of finished requests, answers on a completion route and
/// generated tokens; with the name of the one taken. Each rises by at least one with a completion.
pub fn completions(samples: &[Sample]) -> Option<(&'static str, f64)> {
    let answered = |sample: &Sample| label(sample, "handler").is_some_and(|handler| handler.ends_with("/completions"));
    total(samples, REQUESTS_FINISHED)
        .map(|sum| (REQUESTS_FINISHED, sum))
        .or_else(|| total_where(samples, HTTP_REQUESTS, answered).map(|sum| (HTTP_REQUESTS, sum)))
        .or_else(|| total(samples, GENERATION_TOKENS).map(|sum| (GENERATION_TOKENS, sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, label: (&str, &str), value: f64) -> Sample {
        Sample {
            name: name.to_owned(),
            labels: vec![(label.0.to_owned(), label.1.to_owned())],
            value,
        }
    }

    #[test]
    fn a_counter_is_summed_over_its_series() {
        let samples = [
            sample(REQUESTS_FINISHED, ("finished_reason", "stop"), 3.0),
            sample(REQUESTS_FINISHED, ("finished_reason", "length"), 4.0),
            sample(GENERATION_TOKENS, ("engine", "0"), 90.0),
        ];
        assert_eq!(total(&samples, REQUESTS_FINISHED), Some(7.0));
        assert_eq!(total(&samples, "vllm:nothing"), None);
        assert_eq!(completions(&samples), Some((REQUESTS_FINISHED, 7.0)));
    }

    #[test]
    fn a_server_without_vllms_own_counters_is_read_by_its_http_counter() {
        let samples = [
            sample(HTTP_REQUESTS, ("handler", "/v1/completions"), 2.0),
            sample(HTTP_REQUESTS, ("handler", "/v1/models"), 9.0),
        ];
        assert_eq!(completions(&samples), Some((HTTP_REQUESTS, 2.0)));
        assert_eq!(completions(&samples[1..]), None);
    }
}
