//! Inputs that are made to cost: each is refused or read in seconds and without the memory that it asks for.

use std::fs;
use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use vllm_rollback_fuzz::targets;

#[track_caller]
fn quickly(what: &str, target: fn(&[u8]), data: &[u8]) {
    let began = processor_time();
    target(data);
    let took = processor_time().saturating_sub(began);
    // Generous, for a build without optimisation; without the bounds it would be minutes, or no end.
    assert!(took < Duration::from_secs(15), "{what}: {took:?}");
}

/// Of this thread, so that a busy machine makes no difference.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_that_inflates_a_thousand_times_and_gzip_of_many_parts() {
    // 1 MiB is the most that an object of Kubernetes holds.
    let part = gzip(&vec![b' '; 64 << 20]);
    let bomb = part.repeat((700 << 10) / part.len());
    quickly("a gzip bomb", targets::record, STANDARD.encode(bomb).as_bytes());
    let empty = gzip(b"").repeat(30_000);
    quickly(
        "gzip of empty parts",
        targets::record,
        STANDARD.encode(empty).as_bytes(),
    );
}

#[test]
fn nested_json_and_yaml() {
    let deep = |open: &str| open.repeat(100_000);
    for text in [deep("["), deep("{\"a\":"), format!("{{\"data\":{}", deep("["))] {
        quickly("deep JSON", targets::record, text.as_bytes());
        quickly("deep JSON", targets::answers, text.as_bytes());
        quickly("deep JSON", targets::journal, format!("{text}\n").as_bytes());
    }
    for text in [deep("["), deep("- "), deep("{a: ")] {
        quickly("deep YAML", targets::manifest, &text.as_bytes()[..60_000]);
        quickly("deep YAML", targets::configuration, &text.as_bytes()[..60_000]);
    }
}

#[test]
fn yaml_whose_aliases_multiply() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    quickly("a billion laughs", targets::manifest, text.as_bytes());
    quickly(
        "a billion laughs",
        targets::configuration,
        format!("checks: {{params: {{c: {{\n{text}}}}}}}").as_bytes(),
    );
}

#[test]
fn long_lines_names_and_lists() {
    quickly("one long line of metrics", targets::metrics, &vec![b'a'; 4 << 20]);
    quickly(
        "many labels",
        targets::metrics,
        format!("a{{{}}} 1", "b=\"c\",".repeat(300_000)).as_bytes(),
    );
    quickly("many samples", targets::metrics, "a 1\n".repeat(250_000).as_bytes());
    let names = format!(
        "{{\"data\":[{}]}}",
        "{\"id\":\"m\"},".repeat(10_000).trim_end_matches(',')
    );
    quickly("many models", targets::answers, names.as_bytes());
    let name = "n".repeat(1 << 20);
    let name =
        format!("{{\"name\":\"{name}\",\"version\":3,\"namespace\":\"ml\",\"info\":{{\"status\":\"deployed\"}}}}");
    quickly("a long name", targets::record, name.as_bytes());
    quickly(
        "a long path",
        targets::request,
        format!("pod\nGET\n/{}", "%25".repeat(1 << 18)).as_bytes(),
    );
}

#[test]
fn counters_whose_sum_is_beyond_what_a_number_holds() {
    let largest = 1_u64 << 53;
    let line = format!(
        "http_requests_total{{handler=\"/v1/x\",status=\"5xx\"}} {largest}\nvllm:request_success_total{{finished_reason=\"stop\"}} {largest}\n"
    );
    quickly("the largest counters", targets::metrics, line.repeat(2100).as_bytes());
}
