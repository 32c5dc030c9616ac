//! `/metrics` of a pod that may be broken or hostile.

use vllm_rollback_metrics::{Exposition, Sample, VllmMetrics};

use super::assert_is_a_line;

/// A page of metrics.
///
/// - Samples that are written out and read again are the same.
/// - A server that says nothing of its requests is not taken for an idle one.
/// - A sum is never less than one of its parts.
pub fn metrics(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed = match Exposition::parse(&text) {
        Ok(parsed) => parsed,
        Err(error) => return assert_is_a_line(&error.to_string(), 120),
    };
    let samples = parsed.clone().into_samples();
    let written: String = samples.iter().map(line).collect();
    let again = Exposition::parse(&written).unwrap().into_samples();
    assert_eq!(again.len(), samples.len());
    for (one, other) in samples.iter().zip(&again) {
        assert_eq!((&one.name, &one.labels), (&other.name, &other.labels));
        assert!(one.value == other.value || (one.value.is_nan() && other.value.is_nan()));
    }

    let metrics = VllmMetrics::from(&parsed);
    let tells = samples.iter().any(|one| {
        matches!(
            one.name.as_str(),
            "vllm:num_requests_running" | "vllm:num_requests_waiting"
        )
    });
    assert!(tells || metrics.in_flight().is_none());
    assert!(metrics.in_flight() >= metrics.running && metrics.in_flight() >= metrics.waiting);
    for one in metrics.http.iter().filter(|one| one.handler.starts_with("/v1/")) {
        if let Some(digit) = one.status.chars().next() {
            assert!(metrics.served_with(digit) >= one.count);
        }
    }
}

fn line(sample: &Sample) -> String {
    let labels: Vec<_> = sample
        .labels
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    format!("{}{{{}}} {}\n", sample.name, labels.join(","), sample.value)
}
