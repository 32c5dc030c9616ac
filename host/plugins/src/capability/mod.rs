//! Capabilities: what a check can be granted. Each is a row of the table here and a file beside it.
//!
//! A row has the word of manifests and grants, how it is granted, and the interface of the contract that it opens; the file is
//! that interface. `http` is three capabilities, by the target of a request; `log` and `clock` are everybody's. Every call is
//! counted, every wait ends by the run's deadline.

mod clock;
mod cluster;
mod http;
mod log;
mod metrics;
mod registry;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types::CallError;

use crate::egress::Endpoint;
use crate::precheck::ComponentInterface;
use crate::untrusted;

/// Something that a check can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// HTTP to the pod under check.
    Pod,
    /// HTTP to the configured router.
    Router,
    /// The release's pods, events and logs.
    Cluster,
    /// The model's state in the traffic registry.
    Registry,
    /// Samples of a pod's `/metrics`.
    Metrics,
    /// HTTP to another host, which the grant names.
    Host,
}

/// A row of the table.
struct Row {
    word: &'static str,
    /// Interface of the contract.
    interface: &'static str,
    /// Text after `--grant CHECK=`.
    form: &'static str,
    /// For capabilities that are granted by name: reads what follows `WORD:NAME=`. None when the word is all.
    value: Option<ReadValue>,
}

/// From what an operator wrote, or did not write, after `=` to what is kept.
type ReadValue = fn(Option<&str>) -> Result<String, Failure>;

const fn word(word: &'static str, interface: &'static str) -> Row {
    Row {
        word,
        interface,
        form: word,
        value: None,
    }
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pod,
        Self::Router,
        Self::Cluster,
        Self::Registry,
        Self::Metrics,
        Self::Host,
    ];

    const fn row(self) -> Row {
        match self {
            Self::Pod => word("pod", "http"),
            Self::Router => word("router", "http"),
            Self::Cluster => word("cluster", "cluster"),
            Self::Registry => word("registry", "registry"),
            Self::Metrics => word("metrics", "metrics"),
            Self::Host => Row {
                word: "host",
                interface: "http",
                form: "host:NAME=URL",
                value: Some(read_url),
            },
        }
    }

    /// The word in manifests and on the command line.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The capability of this word, if this tool has it.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// The words of all capabilities, for texts.
    pub(crate) fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Text to write after `--grant CHECK=`.
    pub(crate) fn grant_form(self) -> &'static str {
        self.row().form
    }

    /// Reader of the value of a named grant; none for a capability that its word alone grants.
    pub(crate) fn named(self) -> Option<ReadValue> {
        self.row().value
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The interfaces of the contract that this tool has.
pub(crate) fn interfaces() -> Vec<&'static str> {
    let granted = Capability::ALL.into_iter().map(|one| one.row().interface);
    ["types", "log", "clock"].into_iter().chain(granted).collect()
}

impl ComponentInterface {
    /// The capabilities whose interfaces it imports; `http` alone could be for a pod, the router or a host.
    pub fn could_use(&self) -> BTreeSet<Capability> {
        let imported: Vec<&str> = self.interfaces().collect();
        let all = Capability::ALL.into_iter();
        all.filter(|one| imported.contains(&one.row().interface)).collect()
    }
}

fn read_url(value: Option<&str>) -> Result<String, Failure> {
    let url = value.ok_or_else(|| Failure::usage("the URL is missing"))?;
    Ok(Endpoint::parse(url, None)?.to_string())
}

/// Longest text of an error that a check is given, characters.
const ERROR: usize = 500;

/// Answer of a view of the outside, as a check is told, within the time that the run has left.
async fn within<T>(left: Duration, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, CallError> {
    match tokio::time::timeout(left, answer).await {
        Ok(answer) => answer.map_err(|failure| error("failed", untrusted::line(&failure.to_string(), ERROR))),
        Err(_) => Err(error("timeout", "no answer before the check's deadline")),
    }
}

/// An error with one of the contract's words.
fn error(kind: &str, message: impl Into<String>) -> CallError {
    CallError {
        kind: kind.to_owned(),
        message: message.into(),
    }
}

pub(crate) fn denied(why: String) -> CallError {
    error("denied", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_its_capability_lead_to_each_other() {
        for capability in Capability::ALL {
            assert_eq!(Capability::from_word(capability.as_str()), Some(capability));
            assert!(capability.grant_form().starts_with(capability.as_str()));
        }
        assert_eq!(Capability::from_word("Pod"), None);
    }

    #[test]
    fn every_capability_and_its_interface_are_in_the_contract() {
        let contract = include_str!("../../../../wit/plugin.wit");
        for capability in Capability::ALL {
            assert!(contract.contains(&format!("/// - `{capability}`: ")), "{capability}");
        }
        for interface in interfaces() {
            assert!(contract.contains(&format!("interface {interface} {{")), "{interface}");
        }
    }

    #[test]
    fn what_a_component_could_use_is_read_from_its_imports() {
        let could_use = |interface: &str| {
            let imports = vec![
                "wasi:io/streams@0.2.3".to_owned(),
                format!("vllm-rollback:plugin/{interface}@0.1.4"),
            ];
            let contract = "0.1.0".to_owned();
            let found = ComponentInterface { imports, contract }.could_use();
            found.into_iter().map(Capability::as_str).collect::<Vec<_>>()
        };
        assert_eq!(could_use("metrics"), ["metrics"]);
        assert_eq!(could_use("http"), ["pod", "router", "host"]);
        assert!(could_use("log").is_empty());
    }
}
