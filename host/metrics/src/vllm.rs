//! vLLM's own metrics (names of vllm 0.32 `v1/metrics/loggers.py`; HTTP counters of prometheus-fastapi-instrumentator).

use std::collections::BTreeMap;

use crate::exposition::{Exposition, ParseError, Sample};

const RUNNING: &str = "vllm:num_requests_running";
const WAITING: &str = "vllm:num_requests_waiting";
const FINISHED: &str = "vllm:request_success_total";
const HTTP: &str = "http_requests_total";

/// Numbers of one server, summed over its engines and models. None where it says nothing: absent is not zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VllmMetrics {
    /// Requests that are worked on.
    pub running: Option<u64>,
    /// Requests in the queue.
    pub waiting: Option<u64>,
    /// Requests that ended since the server started, by `finished_reason`. vLLM counts no failures here.
    pub finished: BTreeMap<String, u64>,
    /// HTTP requests since the server started, by handler and status class.
    pub http: Vec<HttpRequests>,
}

/// A counter of HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequests {
    /// `/v1/completions`.
    pub handler: String,
    /// `2xx`, `4xx`, `5xx`.
    pub status: String,
    /// Since the server started.
    pub count: u64,
}

impl VllmMetrics {
    /// Reads the text of `/metrics`.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Exposition::parse(text).map(|exposition| Self::from(&exposition))
    }

    /// Requests that run or wait; none when the server tells neither.
    pub fn in_flight(&self) -> Option<u64> {
        match (self.running, self.waiting) {
            (None, None) => None,
            (running, waiting) => Some(running.unwrap_or(0).saturating_add(waiting.unwrap_or(0))),
        }
    }

    /// Requests that were answered since the server started, whatever with: by the HTTP counters of the serving API
    /// (`/v1/…`), else by the engine's. None when the server tells neither.
    pub fn answered(&self) -> Option<u64> {
        let serving = self.http.iter().filter(|counter| counter.handler.starts_with("/v1/"));
        let by_http = serving.map(|counter| counter.count).reduce(u64::saturating_add);
        by_http.or_else(|| self.finished.values().copied().reduce(u64::saturating_add))
    }

    /// HTTP requests of the serving API (`/v1/…`) whose status starts with this digit.
    pub fn served_with(&self, digit: char) -> u64 {
        self.http
            .iter()
            .filter(|counter| counter.handler.starts_with("/v1/") && counter.status.starts_with(digit))
            .fold(0, |sum: u64, counter| sum.saturating_add(counter.count))
    }
}

impl From<&Exposition> for VllmMetrics {
    fn from(exposition: &Exposition) -> Self {
        let mut finished = BTreeMap::new();
        for sample in exposition.named(FINISHED) {
            if let Some(reason) = sample.label("finished_reason") {
                let sum: &mut u64 = finished.entry(reason.to_owned()).or_default();
                *sum = sum.saturating_add(whole(sample.value).unwrap_or(0));
            }
        }
        Self {
            running: exposition.sum(RUNNING).and_then(whole),
            waiting: exposition.sum(WAITING).and_then(whole),
            finished,
            http: exposition.named(HTTP).filter_map(http).collect(),
        }
    }
}

fn http(sample: &Sample) -> Option<HttpRequests> {
    Some(HttpRequests {
        handler: sample.label("handler")?.to_owned(),
        status: sample.label("status")?.to_owned(),
        count: whole(sample.value)?,
    })
}

/// A count; none for what cannot be one. A fraction is rounded up, so that half a request is never none.
fn whole(value: f64) -> Option<u64> {
    // 2^53: beyond it f64 does not tell neighbours apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !value.is_finite() || !(0.0..=EXACT).contains(&value) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Some(value.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = r#"
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 7.0
vllm:request_success_total{engine="1",finished_reason="stop",model_name="m"} 1.0
http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 5.0
http_requests_total{handler="/v1/completions",method="POST",status="5xx"} 3.0
http_requests_total{handler="/tokenize",method="POST",status="5xx"} 9.0
"#;

    #[test]
    fn engines_are_summed() {
        let metrics = VllmMetrics::parse(TEXT).unwrap();
        assert_eq!((metrics.running, metrics.waiting), (Some(3), Some(4)));
        assert_eq!(metrics.in_flight(), Some(7));
        assert_eq!(metrics.finished["stop"], 8);
        assert_eq!((metrics.served_with('2'), metrics.served_with('5')), (5, 3));
        assert_eq!(metrics.answered(), Some(8));
    }

    #[test]
    fn answers_are_counted_before_the_first_one_and_without_http_counters() {
        let answered = |text: &str| VllmMetrics::parse(text).unwrap().answered();
        let fresh = "vllm:request_success_total{finished_reason=\"stop\"} 0.0\n";
        assert_eq!(answered(fresh), Some(0));
        assert_eq!(answered("vllm:num_requests_running 0\n"), None);
    }

    #[test]
    fn a_server_without_the_gauges_is_not_taken_for_an_idle_one() {
        assert_eq!(VllmMetrics::parse("up 1\n").unwrap().in_flight(), None);
        let broken = VllmMetrics::parse("vllm:num_requests_running NaN\n").unwrap();
        assert_eq!(broken.in_flight(), None);
    }

    proptest! {
        #[test]
        fn in_flight_is_the_sum_over_all_series(counts in proptest::collection::vec((any::<bool>(), 0_u32..1000), 1..20)) {
            let mut text = String::new();
            for (index, (running, count)) in counts.iter().enumerate() {
                let name = if *running { RUNNING } else { WAITING };
                text.push_str(&format!("{name}{{engine=\"{index}\"}} {count}.0\n"));
            }
            let sum: u64 = counts.iter().map(|(_, count)| u64::from(*count)).sum();
            prop_assert_eq!(VllmMetrics::parse(&text).unwrap().in_flight(), Some(sum));
        }

        #[test]
        fn any_value_gives_a_count_or_none(value in any::<f64>()) {
            let count = whole(value);
            prop_assert_eq!(count.is_some(), value.is_finite() && (0.0..=9_007_199_254_740_992.0).contains(&value));
        }
    }
}
