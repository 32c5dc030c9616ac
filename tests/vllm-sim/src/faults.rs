//! What goes wrong: read once from the environment variables whose names begin with `SIM_`.
//!
//! An unknown `SIM_` name or a value of the wrong form is an error, so that a misspelt fault cannot make a test pass.

use std::time::Duration;

/// Text of an answer in place of the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// `!!!!!!`: what broken weights or numbers give.
    Garbage,
    /// ` the the the …`.
    Repetition,
    /// An empty string with finish reason `stop`.
    Empty,
}

/// The faults of one server. The default has none; the fields are the table in the README.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Weights that answers name.
    pub weights: String,
    /// Revision that answers name.
    pub revision: String,
    /// Exit with this code while loading.
    pub crash_at_start: Option<i32>,
    /// Last log line of a crash at start.
    pub crash_log: Option<String>,
    /// Be killed for memory while loading (exit code 137).
    pub oom: bool,
    /// Time to load the weights.
    pub load: Duration,
    /// Never finish loading.
    pub load_forever: bool,
    /// Exit with `crash_code` this long after the start of serving.
    pub crash_after: Option<Duration>,
    /// Exit code of `crash_after`.
    pub crash_code: i32,
    /// Lose the engine this long after the start of serving.
    pub engine_dead_after: Option<Duration>,
    /// Completions never answer.
    pub hang: bool,
    /// Status of /health and /ping.
    pub health_status: u16,
    /// What answers say in place of the usual text.
    pub text: Option<Text>,
    /// Answers carry no choice.
    pub empty_choices: bool,
    /// Model name that answers carry in place of the served one.
    pub answer_model: Option<String>,
    /// Served model name in place of those on the command line.
    pub serve_model: Option<String>,
    /// Share of completions answered by 500, from 0 to 1, spread evenly and always in the same order.
    pub error_share: f64,
    /// Wait before the first token.
    pub first_token: Duration,
    /// Wait before each further token.
    pub token: Duration,
    /// Break the connection of a stream after this many tokens.
    pub break_stream_after: Option<usize>,
    /// /metrics is not there.
    pub no_metrics: bool,
    /// SIGTERM does nothing.
    pub ignore_sigterm: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            weights: "unset".to_owned(),
            revision: "unset".to_owned(),
            crash_at_start: None,
            crash_log: None,
            oom: false,
            load: Duration::ZERO,
            load_forever: false,
            crash_after: None,
            crash_code: 1,
            engine_dead_after: None,
            hang: false,
            health_status: 200,
            text: None,
            empty_choices: false,
            answer_model: None,
            serve_model: None,
            error_share: 0.0,
            first_token: Duration::ZERO,
            token: Duration::ZERO,
            break_stream_after: None,
            no_metrics: false,
            ignore_sigterm: false,
        }
    }
}

impl Faults {
    /// Reads the faults from environment variables; those without the prefix `SIM_`, and empty ones, are passed over.
    ///
    /// # Errors
    /// A sentence that names the variable which is unknown or has a value of the wrong form.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut faults = Self::default();
        for (name, value) in variables {
            if let Some(key) = name.strip_prefix("SIM_")
                && !value.is_empty()
            {
                faults
                    .set(key, &value)
                    .map_err(|why| format!("{name}={value}: {why}"))?;
            }
        }
        Ok(faults)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "WEIGHTS" => self.weights = value.to_owned(),
            "REVISION" => self.revision = value.to_owned(),
            "CRASH_AT_START" => self.crash_at_start = Some(number(value)?),
            "CRASH_LOG" => self.crash_log = Some(value.to_owned()),
            "OOM" => self.oom = switch(value)?,
            "LOAD_SECONDS" => self.load = seconds(value)?,
            "LOAD_FOREVER" => self.load_forever = switch(value)?,
            "CRASH_AFTER_SECONDS" => self.crash_after = Some(seconds(value)?),
            "CRASH_CODE" => self.crash_code = number(value)?,
            "ENGINE_DEAD_AFTER_SECONDS" => self.engine_dead_after = Some(seconds(value)?),
            "HANG" => self.hang = switch(value)?,
            "HEALTH_STATUS" => self.health_status = status(value)?,
            "TEXT" => self.text = Some(text(value)?),
            "EMPTY_CHOICES" => self.empty_choices = switch(value)?,
            "ANSWER_MODEL" => self.answer_model = Some(value.to_owned()),
            "SERVE_MODEL" => self.serve_model = Some(value.to_owned()),
            "ERROR_SHARE" => self.error_share = share(value)?,
            "FIRST_TOKEN_MS" => self.first_token = Duration::from_millis(number(value)?),
            "TOKEN_MS" => self.token = Duration::from_millis(number(value)?),
            "BREAK_STREAM_AFTER" => self.break_stream_after = Some(number(value)?),
            "NO_METRICS" => self.no_metrics = switch(value)?,
            "IGNORE_SIGTERM" => self.ignore_sigterm = switch(value)?,
            _ => return Err("there is no such fault; the README of vllm-sim lists them".to_owned()),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| "wants a whole number".to_owned())
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = value.parse().map_err(|_| "wants a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn status(value: &str) -> Result<u16, String> {
    number(value)
        .ok()
        .filter(|code| (200..600).contains(code))
        .ok_or_else(|| "wants an HTTP status".to_owned())
}

fn share(value: &str) -> Result<f64, String> {
    let share = value.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "wants a share from 0 to 1".to_owned())
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("wants true or false".to_owned()),
    }
}

fn text(value: &str) -> Result<Text, String> {
    match value {
        "garbage" => Ok(Text::Garbage),
        "repetition" => Ok(Text::Repetition),
        "empty" => Ok(Text::Empty),
        _ => Err("wants garbage, repetition or empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Faults, String> {
        Faults::read([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_clean_environment_has_no_fault() {
        assert_eq!(read("PATH", "/bin").unwrap(), Faults::default());
        assert_eq!(read("SIM_HANG", "").unwrap(), Faults::default());
    }

    #[test]
    fn a_misspelt_fault_is_refused_by_name() {
        let why = read("SIM_HNAG", "1").unwrap_err();
        assert!(why.starts_with("SIM_HNAG=1: there is no such fault"), "{why}");
    }

    #[test]
    fn a_value_of_the_wrong_form_is_refused() {
        for (name, value) in [
            ("SIM_HANG", "yes"),
            ("SIM_LOAD_SECONDS", "-1"),
            ("SIM_HEALTH_STATUS", "42"),
            ("SIM_ERROR_SHARE", "7"),
            ("SIM_TEXT", "rubbish"),
            ("SIM_CRASH_AT_START", "one"),
        ] {
            assert!(read(name, value).is_err(), "{name}={value} was taken");
        }
    }

    #[test]
    fn every_fault_in_the_readme_is_known_and_every_known_one_is_in_the_readme() {
        let readme = include_str!("../README.md");
        let source = include_str!("faults.rs");
        let listed: Vec<_> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| `SIM_")?.split('`').next())
            .collect();
        let known: Vec<_> = source
            .lines()
            .filter_map(|line| {
                line.trim_start()
                    .strip_prefix('"')?
                    .split_once("\" => self.")
                    .map(|(key, _)| key)
            })
            .collect();
        assert!(known.len() > 20, "the search in the source found only {known:?}");
        assert_eq!(listed, known);
    }
}
