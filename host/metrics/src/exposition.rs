//! Prometheus' text format, version 0.0.4, with OpenMetrics' `# EOF` and exemplars tolerated.

/// Largest text that is read, in bytes.
pub const LIMIT: usize = 8 << 20;

/// Most samples that are kept.
const SAMPLES: usize = 200_000;

/// One line: a name, labels and a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `vllm:num_requests_running`.
    pub name: String,
    /// Label pairs in the order given.
    pub labels: Vec<(String, String)>,
    /// Value; may be NaN or infinite.
    pub value: f64,
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// All samples of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exposition {
    samples: Vec<Sample>,
}

/// Reason why a text is not in the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// More than [`LIMIT`] bytes.
    #[error("the metrics are larger than {} MiB", LIMIT >> 20)]
    TooLarge,
    /// More samples than are kept.
    #[error("the metrics hold more than {SAMPLES} samples")]
    TooMany,
    /// A line is malformed.
    #[error("line {line} of the metrics is malformed: {what}")]
    Line {
        /// Number, from 1.
        line: usize,
        /// Fault in it.
        what: &'static str,
    },
}

impl Exposition {
    /// Reads a text.
    ///
    /// # Errors
    /// See [`ParseError`]. Nothing is guessed from a text that is malformed in one place.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > LIMIT {
            return Err(ParseError::TooLarge);
        }
        let mut samples = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if samples.len() == SAMPLES {
                return Err(ParseError::TooMany);
            }
            let sample = sample(line).map_err(|what| ParseError::Line { line: index + 1, what })?;
            samples.push(sample);
        }
        Ok(Self { samples })
    }

    /// All samples, in the order of the text.
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// Samples of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The sum over all series of this name, such as one for each engine; none when there is no series or a value is not a
    /// number.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let mut sum = None;
        for sample in self.named(name) {
            if !sample.value.is_finite() {
                return None;
            }
            sum = Some(sum.unwrap_or(0.0) + sample.value);
        }
        sum
    }
}

fn sample(line: &str) -> Result<Sample, &'static str> {
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .ok_or("it has no value")?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("it does not start with a name");
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Vec::new(), rest),
    };
    if !rest.starts_with([' ', '\t']) {
        return Err("there is no blank before the value");
    }
    // An exemplar follows after " # ".
    let rest = rest.split(" # ").next().unwrap_or_default();
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("it has no value")?;
    let value = value.parse().map_err(|_| "its value is not a number")?;
    if let Some(time) = words.next() {
        time.parse::<f64>().map_err(|_| "its timestamp is not a number")?;
    }
    if words.next().is_some() {
        return Err("something follows its timestamp");
    }
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

type Labels = Vec<(String, String)>;

/// Label pairs up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(Labels, &str), &'static str> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((found, after));
        }
        let (name, after) = rest.split_once('=').ok_or("a label has no value")?;
        let name = name.trim();
        let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !valid {
            return Err("a label's name is malformed");
        }
        let quoted = after
            .trim_start()
            .strip_prefix('"')
            .ok_or("a label's value is not quoted")?;
        let (value, after) = unquote(quoted)?;
        found.push((name.to_owned(), value));
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after,
            None if rest.starts_with('}') => rest,
            None => return Err("labels are not separated by commas"),
        };
    }
}

/// A value up to its closing quote, and what follows it.
fn unquote(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                // Prometheus keeps an unknown escape as it stands.
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a label's value does not end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Sample {
        let parsed = Exposition::parse(line).unwrap();
        assert_eq!(parsed.samples.len(), 1);
        parsed.samples[0].clone()
    }

    #[test]
    fn names_labels_values_and_timestamps_are_read() {
        let sample = one("vllm:x{engine=\"0\", model_name=\"a\\\"b\\\\c\\nd\",} 1.5e3 1700000000000");
        assert_eq!(sample.name, "vllm:x");
        assert_eq!(sample.label("engine"), Some("0"));
        assert_eq!(sample.label("model_name"), Some("a\"b\\c\nd"));
        assert!((sample.value - 1500.0).abs() < f64::EPSILON);
        assert_eq!(one("a +Inf").value, f64::INFINITY);
        assert!(one("a{} NaN").value.is_nan());
    }

    #[test]
    fn comments_exemplars_and_the_end_mark_are_skipped() {
        let parsed = Exposition::parse("# HELP a b\n# TYPE a counter\na 1 # {trace=\"x\"} 0.5\n\n# EOF\n").unwrap();
        assert_eq!(parsed.sum("a"), Some(1.0));
    }

    #[test]
    fn a_malformed_line_is_named_by_its_number() {
        for (text, line) in [
            ("a 1\nb", 2),
            ("a{b=\"c} 1", 1),
            ("a{b} 1", 1),
            ("a{b=\"c\" d=\"e\"} 1", 1),
            ("a one", 1),
            ("1a 1", 1),
            ("a 1 2 3", 1),
            ("<html>", 1),
        ] {
            match Exposition::parse(text) {
                Err(ParseError::Line { line: at, .. }) => assert_eq!(at, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn series_are_summed_but_nothing_is_made_of_nothing() {
        let parsed = Exposition::parse("a{e=\"0\"} 1\na{e=\"1\"} 2\nn NaN\n").unwrap();
        assert_eq!(parsed.sum("a"), Some(3.0));
        assert_eq!(parsed.sum("absent"), None);
        assert_eq!(parsed.sum("n"), None);
    }

    #[test]
    fn a_text_over_the_limit_is_refused_unread() {
        assert_eq!(Exposition::parse(&"#".repeat(LIMIT + 1)), Err(ParseError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = Exposition::parse(&text);
        }

        #[test]
        fn what_is_written_reads_back(name in "[a-z_:][a-z0-9_:]{0,10}", key in "[a-z_]{1,8}", value in ".{0,20}", number in any::<f64>()) {
            prop_assume!(number.is_finite() && !value.contains(['\r', '\n']) && !value.contains(" # "));
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let sample = one(&format!("{name}{{{key}=\"{quoted}\"}} {number}"));
            prop_assert_eq!(sample.name.as_str(), name.as_str());
            prop_assert_eq!(sample.label(&key), Some(value.as_str()));
            prop_assert!((sample.value - number).abs() <= number.abs() * 1e-12);
        }
    }
}
