//! The statuses of a registry like the runbook's, for the drivers that keep them: what they mean, and the state that is saved.

use serde::{Deserialize, Serialize};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::traffic::{TrafficState, TrafficStatus};

use crate::driver_state::{decode, encode};

/// The runbook's word for in traffic.
pub(crate) const READY: &str = "ready";
/// The runbook's word for taken out of traffic. All other statuses send none either, and are restored as they were.
pub(crate) const DISABLED: &str = "disabled";

/// The registry's words for the two statuses that the tool writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Words")]
pub struct Statuses {
    ready: String,
    disabled: String,
}

/// As in the configuration, where a word that is left out is the runbook's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Words {
    ready: String,
    disabled: String,
}

impl Default for Words {
    fn default() -> Self {
        let Statuses { ready, disabled } = Statuses::default();
        Self { ready, disabled }
    }
}

impl TryFrom<Words> for Statuses {
    type Error = Failure;

    fn try_from(words: Words) -> Result<Self, Failure> {
        Self::new(words.ready, words.disabled)
    }
}

impl Default for Statuses {
    /// The runbook's.
    fn default() -> Self {
        Self {
            ready: READY.to_owned(),
            disabled: DISABLED.to_owned(),
        }
    }
}

impl Statuses {
    /// In traffic, and taken out of it.
    ///
    /// # Errors
    /// `Usage` when one is empty, or both are the same.
    pub fn new(ready: impl Into<String>, disabled: impl Into<String>) -> Result<Self, Failure> {
        let (ready, disabled) = (ready.into(), disabled.into());
        if ready.is_empty() || disabled.is_empty() || ready == disabled {
            return Err(Failure::usage(format!(
                "{ready:?} and {disabled:?} cannot be the statuses of a model that is in and out of traffic"
            ))
            .next("name two words of the registry: registry.postgres.statuses: {ready: …, disabled: …}"));
        }
        Ok(Self { ready, disabled })
    }

    /// In traffic.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// Taken out of traffic.
    pub fn disabled(&self) -> &str {
        &self.disabled
    }

    fn meaning(&self, status: Option<&str>) -> TrafficStatus {
        match status {
            Some(word) if word == self.ready => TrafficStatus::Enabled,
            Some(word) if word == self.disabled => TrafficStatus::Disabled,
            other => TrafficStatus::Other(other.unwrap_or("unset").to_owned()),
        }
    }

    /// The state that was read.
    pub(crate) fn found(
        &self,
        driver: &str,
        status: Option<String>,
        endpoint: Option<String>,
        evidence: String,
    ) -> TrafficState {
        TrafficState {
            driver: driver.to_owned(),
            status: self.meaning(status.as_deref()),
            evidence: vec![evidence],
            endpoint: endpoint.clone(),
            token: encode(&DriverState {
                status,
                endpoint,
                from: None,
            }),
        }
    }

    /// The state that means enabled, to be reached from the one of now.
    pub(crate) fn enabled(&self, driver: &str, now: &TrafficState) -> Result<TrafficState, Failure> {
        let token: DriverState = decode(driver, now)?;
        Ok(TrafficState {
            status: TrafficStatus::Enabled,
            token: encode(&DriverState {
                status: Some(self.ready.clone()),
                from: token.status,
                endpoint: token.endpoint,
            }),
            ..now.clone()
        })
    }

    /// The status from which an entry is put back: only what `stop` did is taken back, another one is somebody else's word.
    pub(crate) fn from<'a>(&'a self, token: &'a DriverState) -> &'a str {
        token.from.as_deref().unwrap_or(&self.disabled)
    }
}

/// Saved state of an entry, in the registry's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DriverState {
    pub(crate) status: Option<String>,
    pub(crate) endpoint: Option<String>,
    /// The status to come from, when it is not the one that `stop` leaves: an operator enables a `failed` entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_own_words_decide_and_no_others() {
        let statuses = Statuses::new("active", "inactive").unwrap();
        let meaning = |word: &str| statuses.meaning(Some(word));
        assert_eq!(meaning("active"), TrafficStatus::Enabled);
        assert_eq!(meaning("inactive"), TrafficStatus::Disabled);
        assert_eq!(meaning("ready"), TrafficStatus::Other("ready".to_owned()));
        let failed = statuses.found("postgres", Some("failed".to_owned()), None, String::new());
        let wanted = statuses.enabled("postgres", &failed).unwrap();
        let token: DriverState = decode("postgres", &wanted).unwrap();
        assert_eq!(
            (statuses.from(&token), token.status.as_deref()),
            ("failed", Some("active"))
        );
    }

    #[test]
    fn two_words_are_needed() {
        for (ready, disabled) in [("", "off"), ("on", ""), ("on", "on")] {
            assert!(Statuses::new(ready, disabled).is_err(), "{ready} {disabled}");
        }
    }
}
