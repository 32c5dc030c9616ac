//! The Service gate on a real API server.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Caller, Hook, Moment};
use vllm_rollback_harness::testbed::Testbed;
use vllm_rollback_harness::tool::Tool;

use super::door::Door;
use super::line::Line;
use super::{TrafficBackend, Trouble, owned, two_revisions};
use crate::fixture::{Model, RELEASE, SERVICE};

const GATE: &str = "rollback.vllm/gate";

/// How late the API server is when it is slow.
const LATE: Duration = Duration::from_millis(500);

/// The release's Service.
pub(super) struct Gate {
    model: Model,
    /// Between the tool and the API server, when not all passes.
    proxy: RefCell<Option<ApiProxy>>,
}

impl Gate {
    fn patch(&self, patch: &str) {
        self.model.namespace.patch("service", SERVICE, patch);
    }
}

impl TrafficBackend for Gate {
    const DRIVER: &'static str = "service";
    const IN: &'static str = "open";
    const OUT: &'static str = "closed";
    const OTHERS: &'static [&'static str] = &["closed", "maintenance"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        Some(Self {
            model: two_revisions(hint, major),
            proxy: RefCell::default(),
        })
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn tool(&self) -> Tool {
        match &*self.proxy.borrow() {
            Some(proxy) => self.model.tool().kubeconfig(proxy.kubeconfig()),
            None => self.model.tool(),
        }
    }

    fn arguments(&self) -> Vec<String> {
        owned(&["--registry", "service"])
    }

    fn state(&self) -> String {
        let path = format!("/api/v1/namespaces/{}/services/{SERVICE}", self.model.namespace.name);
        let service = self
            .model
            .namespace
            .testbed
            .api()
            .get(&path)
            .expect("the Service is there");
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
        vec![Door::Service(self.model.namespace.client(SERVICE))]
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

    fn line(&self, line: Line) {
        *self.proxy.borrow_mut() = proxy(self.model.namespace.testbed, line, "/services/");
    }
}

/// On the way to the API server, where the place is an object of the cluster, written at a path with these words. None where all
/// passes.
pub(super) fn proxy(testbed: &'static Testbed, line: Line, object: &'static str) -> Option<ApiProxy> {
    let hook: Hook = Arc::new(move |call, moment| {
        let is_the_change = call.method == "PATCH" && call.path.contains(object);
        match (line, moment) {
            (Line::Slow, Moment::Before) if call.by == Caller::Tool => Act::Delay(LATE),
            (Line::Deaf, Moment::After) if is_the_change => Act::Silence,
            _ => Act::Pass,
        }
    });
    (line != Line::Whole).then(|| ApiProxy::start(testbed, hook))
}
