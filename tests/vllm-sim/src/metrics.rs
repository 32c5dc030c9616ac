//! `/metrics` with the names, labels and buckets of vLLM's v1 engine and of prometheus-fastapi-instrumentator.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bounds of `vllm:e2e_request_latency_seconds`; there is none at 3 s.
const LATENCY: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
];
/// Bounds of `vllm:time_to_first_token_seconds`.
const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
];
/// Bounds of `vllm:inter_token_latency_seconds`.
const BETWEEN_TOKENS: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];
const FINISHED: [&str; 5] = ["stop", "length", "abort", "error", "repetition"];

/// The numbers of one server.
#[derive(Debug)]
pub struct Metrics {
    labels: String,
    numbers: Mutex<Numbers>,
}

#[derive(Debug)]
struct Numbers {
    running: u64,
    waiting: u64,
    prompt_tokens: u64,
    generation_tokens: u64,
    finished: BTreeMap<&'static str, u64>,
    http: BTreeMap<(String, String, String), u64>,
    latency: Histogram,
    first_token: Histogram,
    between_tokens: Histogram,
}

/// A request that ran to its end.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// Label `finished_reason`.
    pub reason: &'static str,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub generation_tokens: usize,
    /// From the arrival to the first token.
    pub first_token: Duration,
    /// From the arrival to the last token.
    pub latency: Duration,
}

impl Metrics {
    /// All zero, for the model name that labels them.
    pub fn new(model: &str) -> Self {
        let model = model.replace('\\', "\\\\").replace('"', "\\\"");
        let numbers = Numbers {
            running: 0,
            waiting: 0,
            prompt_tokens: 0,
            generation_tokens: 0,
            finished: FINISHED.map(|reason| (reason, 0)).into(),
            http: BTreeMap::new(),
            latency: Histogram::new(LATENCY),
            first_token: Histogram::new(FIRST_TOKEN),
            between_tokens: Histogram::new(BETWEEN_TOKENS),
        };
        Self {
            labels: format!("engine=\"0\",model_name=\"{model}\""),
            numbers: Mutex::new(numbers),
        }
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request as waiting until the guard is dropped.
    pub fn waiting(&self) -> Gauge<'_> {
        self.numbers().waiting += 1;
        Gauge {
            metrics: self,
            lower: |numbers| numbers.waiting -= 1,
        }
    }

    /// Counts a request as running until the guard is dropped.
    pub fn running(&self) -> Gauge<'_> {
        self.numbers().running += 1;
        Gauge {
            metrics: self,
            lower: |numbers| numbers.running -= 1,
        }
    }

    /// Requests that run or wait now.
    pub fn open(&self) -> u64 {
        let numbers = self.numbers();
        numbers.running + numbers.waiting
    }

    /// Counts a request that ran to its end. One that was cut off is counted nowhere, as with vLLM.
    pub fn finished(&self, request: Finished) {
        let mut numbers = self.numbers();
        numbers.prompt_tokens += request.prompt_tokens as u64;
        numbers.generation_tokens += request.generation_tokens as u64;
        *numbers.finished.entry(request.reason).or_default() += 1;
        numbers.latency.observe(request.latency.as_secs_f64());
        numbers.first_token.observe(request.first_token.as_secs_f64());
        if let Some(further) = u32::try_from(request.generation_tokens)
            .ok()
            .filter(|tokens| *tokens > 1)
        {
            let decode = request.latency.saturating_sub(request.first_token) / (further - 1);
            for _ in 1..further {
                numbers.between_tokens.observe(decode.as_secs_f64());
            }
        }
    }

    /// Counts an answer of the web server; `status` becomes its class, as in `4xx`.
    pub fn answered(&self, handler: &str, method: &str, status: u16) {
        let key = (handler.to_owned(), method.to_owned(), format!("{}xx", status / 100));
        *self.numbers().http.entry(key).or_default() += 1;
    }

    /// The Prometheus text.
    pub fn render(&self) -> String {
        let numbers = self.numbers();
        let mut page = Page {
            text: String::new(),
            labels: &self.labels,
        };
        page.number(
            "num_requests_running",
            "gauge",
            "Number of requests in model execution batches.",
            numbers.running,
        );
        page.number(
            "num_requests_waiting",
            "gauge",
            "Number of requests waiting to be processed.",
            numbers.waiting,
        );
        page.number(
            "kv_cache_usage_perc",
            "gauge",
            "KV-cache usage. 1 means 100 percent usage.",
            0,
        );
        page.number(
            "num_preemptions_total",
            "counter",
            "Cumulative number of preemption from the engine.",
            0,
        );
        page.number(
            "prompt_tokens_total",
            "counter",
            "Number of prefill tokens processed.",
            numbers.prompt_tokens,
        );
        let generated = numbers.generation_tokens;
        page.number(
            "generation_tokens_total",
            "counter",
            "Number of generation tokens processed.",
            generated,
        );
        page.head(
            "vllm:request_success_total",
            "counter",
            "Count of successfully processed requests.",
        );
        for (reason, count) in &numbers.finished {
            let labels = page.labels.replacen(',', &format!(",finished_reason=\"{reason}\","), 1);
            page.sample("vllm:request_success_total", &labels, *count);
        }
        page.histogram(
            "e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.",
            &numbers.latency,
        );
        page.histogram(
            "time_to_first_token_seconds",
            "Histogram of time to first token.",
            &numbers.first_token,
        );
        page.histogram(
            "inter_token_latency_seconds",
            "Histogram of inter-token latency.",
            &numbers.between_tokens,
        );
        page.head(
            "http_requests_total",
            "counter",
            "Total number of requests by method, status and handler.",
        );
        for ((handler, method, status), count) in &numbers.http {
            let labels = format!("handler=\"{handler}\",method=\"{method}\",status=\"{status}\"");
            page.sample("http_requests_total", &labels, *count);
        }
        page.text
    }
}

/// Holds a gauge up by one.
#[derive(Debug)]
pub struct Gauge<'a> {
    metrics: &'a Metrics,
    lower: fn(&mut Numbers),
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        (self.lower)(&mut self.metrics.numbers());
    }
}

#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// How many were at most as large as the bound of the same place.
    within: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            within: vec![0; bounds.len()],
            count: 0,
            sum: 0.0,
        }
    }

    fn observe(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        for (bound, within) in self.bounds.iter().zip(&mut self.within) {
            *within += u64::from(value <= *bound);
        }
    }
}

struct Page<'a> {
    text: String,
    labels: &'a str,
}

impl Page<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        // Whole numbers are written as the Python client writes floats.
        let _ = writeln!(self.text, "{name}{{{labels}}} {value}.0");
    }

    fn number(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        let name = format!("vllm:{name}");
        self.head(&name, kind, help);
        self.sample(&name, self.labels, value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let name = format!("vllm:{name}");
        self.head(&name, "histogram", help);
        let bounds = histogram
            .bounds
            .iter()
            .map(|bound| format!("{bound:?}"))
            .chain(["+Inf".to_owned()]);
        for (bound, within) in bounds.zip(histogram.within.iter().chain([&histogram.count])) {
            // Label names are sorted: "le" stands between engine and model_name.
            let labels = self.labels.replacen(',', &format!(",le=\"{bound}\","), 1);
            self.sample(&format!("{name}_bucket"), &labels, *within);
        }
        self.sample(&format!("{name}_count"), self.labels, histogram.count);
        let _ = writeln!(self.text, "{name}_sum{{{}}} {:?}", self.labels, histogram.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_request_is_in_every_series() {
        let metrics = Metrics::new("llama");
        metrics.finished(Finished {
            reason: "length",
            prompt_tokens: 3,
            generation_tokens: 5,
            first_token: Duration::from_millis(200),
            latency: Duration::from_millis(600),
        });
        metrics.answered("/v1/completions", "POST", 200);
        let text = metrics.render();
        for line in [
            "vllm:prompt_tokens_total{engine=\"0\",model_name=\"llama\"} 3.0",
            "vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"llama\"} 1.0",
            "vllm:request_success_total{engine=\"0\",finished_reason=\"stop\",model_name=\"llama\"} 0.0",
            "vllm:e2e_request_latency_seconds_bucket{engine=\"0\",le=\"0.5\",model_name=\"llama\"} 0.0",
            "vllm:e2e_request_latency_seconds_bucket{engine=\"0\",le=\"0.8\",model_name=\"llama\"} 1.0",
            "vllm:e2e_request_latency_seconds_bucket{engine=\"0\",le=\"+Inf\",model_name=\"llama\"} 1.0",
            "vllm:e2e_request_latency_seconds_sum{engine=\"0\",model_name=\"llama\"} 0.6",
            "vllm:inter_token_latency_seconds_count{engine=\"0\",model_name=\"llama\"} 4.0",
            "http_requests_total{handler=\"/v1/completions\",method=\"POST\",status=\"2xx\"} 1.0",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn a_gauge_falls_when_its_guard_is_dropped() {
        let metrics = Metrics::new("llama");
        let guards = (metrics.running(), metrics.waiting());
        assert_eq!(metrics.open(), 2);
        assert!(
            metrics
                .render()
                .contains("vllm:num_requests_waiting{engine=\"0\",model_name=\"llama\"} 1.0")
        );
        drop(guards);
        assert_eq!(metrics.open(), 0);
    }
}
