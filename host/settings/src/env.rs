//! The process's environment, as data.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Environment variables. Helm sets those it does not use to the empty string, so empty means unset everywhere.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// This process's variables; those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that is set and not empty.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// `$XDG_…_HOME`, else `$HOME/<fallback>`; relative paths are ignored, as the XDG base directory specification says.
    pub fn xdg(&self, name: &str, fallback: &str) -> Option<PathBuf> {
        let absolute = |value: &str| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        self.get(name)
            .and_then(absolute)
            .or_else(|| self.get("HOME").and_then(absolute).map(|home| home.join(fallback)))
    }
}

/// These variables and no others.
impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Tells whether a text is a variable's name, and not by mistake its value.
pub fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        assert_eq!(Env::from([("HELM_KUBETOKEN", "")]).get("HELM_KUBETOKEN"), None);
    }

    #[test]
    fn the_state_directory_falls_back_to_the_home_directory() {
        let state = |env: Env| env.xdg("XDG_STATE_HOME", ".local/state");
        assert_eq!(
            state(Env::from([("XDG_STATE_HOME", "/s"), ("HOME", "/h")])),
            Some("/s".into())
        );
        assert_eq!(
            state(Env::from([("XDG_STATE_HOME", "s"), ("HOME", "/h")])),
            Some("/h/.local/state".into())
        );
        assert_eq!(state(Env::default()), None);
    }
}
