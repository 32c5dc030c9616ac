//! The Service gate on a real API server.

use vllm_rollback_harness::helm::Major;

use super::door::Door;
use super::{Place, Trouble, owned, two_revisions};
use crate::fixture::{Model, RELEASE, SERVICE};

const GATE: &str = "rollback.vllm/gate";

/// The release's Service.
pub(super) struct Gate(Model);

impl Gate {
    fn patch(&self, patch: &str) {
        let namespace = &self.0.namespace;
        let words = [
            "-n",
            &namespace.name,
            "patch",
            "service",
            SERVICE,
            "--type=merge",
            "-p",
            patch,
        ];
        namespace.kubectl().run(&words);
    }
}

impl Place for Gate {
    const DRIVER: &'static str = "service";
    const IN: &'static str = "open";
    const OUT: &'static str = "closed";
    const OTHERS: &'static [&'static str] = &["closed", "maintenance"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        Some(Self(two_revisions(hint, major)))
    }

    fn model(&self) -> &Model {
        &self.0
    }

    fn arguments(&self) -> Vec<String> {
        owned(&["--registry", "service"])
    }

    fn state(&self) -> String {
        let path = format!("/api/v1/namespaces/{}/services/{SERVICE}", self.0.namespace.name);
        let service = self.0.namespace.testbed.api().get(&path).expect("the Service is there");
        service["spec"]["selector"][GATE]
            .as_str()
            .unwrap_or(Self::IN)
            .to_owned()
    }

    fn set(&self, word: &str) {
        let value = if word == Self::IN {
            "null".to_owned()
        } else {
            format!("\"{word}\"")
        };
        self.patch(&format!(r#"{{"spec": {{"selector": {{"{GATE}": {value}}}}}}}"#));
    }

    fn doors(&self) -> Vec<Door> {
        vec![Door::Service(self.0.namespace.client(SERVICE))]
    }

    fn give_away(&self, away: bool) {
        let owner = if away { "another" } else { RELEASE };
        self.patch(&format!(
            r#"{{"metadata": {{"annotations": {{"meta.helm.sh/release-name": "{owner}"}}}}}}"#
        ));
    }

    // The API server's own failures are the cases of `faults`.
    fn troubles(&self) -> Vec<Trouble> {
        Vec::new()
    }
}
