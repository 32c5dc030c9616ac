//! How keys of the configuration are read. Each complaint is told with its line; the value is repeated only where it cannot
//! be a secret.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::duration;
use crate::env::is_variable_name;

/// A key that would hold a secret: its presence is an error that names what to write instead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NoSecret;

impl<'de> Deserialize<'de> for NoSecret {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(Error::custom(
            "secrets are not kept in this file: name an environment variable or a file instead (dsn_env, dsn_file, url_env, url_file, key_env, key_file)",
        ))
    }
}

/// Reads the name of an environment variable.
///
/// # Errors
/// When it is none, and so perhaps the value.
pub fn variable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    variable_name(String::deserialize(deserializer)?).map(Some)
}

/// Reads names of environment variables.
///
/// # Errors
/// As [`variable`].
pub fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.into_iter().map(variable_name).collect()
}

fn variable_name<E: Error>(name: String) -> Result<String, E> {
    if is_variable_name(&name) {
        Ok(name)
    } else {
        Err(E::custom(
            "this key takes the name of an environment variable, not its value",
        ))
    }
}

/// Reads what a flag takes as text, too.
///
/// # Errors
/// As parsing it.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map_err(Error::custom)
}

/// As [`parsed`], for a key that may be left out.
///
/// # Errors
/// As parsing it.
pub fn parsed_some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    parsed(deserializer).map(Some)
}

/// Reads a list of what a flag takes as text, too.
///
/// # Errors
/// As parsing one.
pub fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(Error::custom)).collect()
}

/// Reads a duration, which may be zero.
///
/// # Errors
/// As [`duration::parse`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::parse(&text).map(Some).map_err(Error::custom)
}

/// Reads a duration that is longer than nothing.
///
/// # Errors
/// As [`duration::parse_positive`].
pub fn positive_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::parse_positive(&text).map(Some).map_err(Error::custom)
}
