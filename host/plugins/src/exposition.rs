//! Prometheus' text format, as vLLM's `/metrics` writes it.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>. Comments, types, timestamps and exemplars are
//! skipped. A page that holds anything else is refused as a whole: samples of half a page could pass for all of them.

use vllm_rollback_plugin_abi::vllm_rollback::plugin::metrics::Sample;

/// Most samples of a page. vLLM 0.33 with one model writes about 600.
const SAMPLES: usize = 50_000;

/// Reads a page; the text of an error names the line.
pub(crate) fn parse(page: &str) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if samples.len() == SAMPLES {
            return Err(format!("/metrics has more than {SAMPLES} samples"));
        }
        let sample = sample(line);
        samples
            .push(sample.ok_or_else(|| format!("line {} of /metrics is not in Prometheus' text format", number + 1))?);
    }
    Ok(samples)
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    if !is_name(name, ':') {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let value = number(rest.split_whitespace().next()?)?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The labels, and what follows the closing brace.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut out = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some((out, after));
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        if !is_name(name, '_') {
            return None;
        }
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        out.push((name.to_owned(), value));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// A label value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => out.push(other),
        }
    }
    None
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        other => other.parse().ok(),
    }
}

fn is_name(name: &str, also: char) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == also)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_labels_and_values_are_read_and_the_rest_is_skipped() {
        let page = "# HELP vllm:num_requests_running Number of requests.\n# TYPE vllm:num_requests_running gauge\n\
            vllm:num_requests_running{engine=\"0\",model_name=\"llama \\\"2\\\"\",} 3.0\n\n\
            process_start_time_seconds 1.7e+09 1700000000000\n\
            http_bucket{le=\"+Inf\"} +Inf # {trace_id=\"x\"} 1\n";
        let samples = parse(page).unwrap();
        assert_eq!(samples.len(), 3);
        assert_eq!(samples[0].name, "vllm:num_requests_running");
        let labels = [
            ("engine".to_owned(), "0".to_owned()),
            ("model_name".to_owned(), "llama \"2\"".to_owned()),
        ];
        assert_eq!(samples[0].labels, labels);
        assert_eq!((samples[1].value, samples[2].value), (1.7e9, f64::INFINITY));
    }

    #[test]
    fn a_page_that_is_something_else_is_refused_with_its_line() {
        for bad in [
            "<html>",
            "name",
            "name{a=\"b\" 1",
            "name{a=b} 1",
            "1name 2",
            "name x",
            "{a=\"b\"} 1",
            "name{a=\"b",
        ] {
            assert!(
                parse(&format!("ok 1\n{bad}\n")).unwrap_err().contains("line 2"),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_empty_page_has_no_samples() {
        assert!(parse("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_page_is_read_or_refused_without_a_panic(page in "[a-z0-9_:{}\"=,\\\\ \n#.+-]{0,80}|\\PC{0,40}") {
            let _ = parse(&page);
        }

        #[test]
        fn a_label_value_comes_back_as_it_was(value in "\\PC{0,20}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let samples = parse(&format!("m{{l=\"{escaped}\"}} 1")).unwrap();
            prop_assert_eq!(&samples[0].labels[0].1, &value);
        }
    }
}
