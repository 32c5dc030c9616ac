//! A namespace for one test.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::client::{Answer, ModelClient};
use crate::helm::{Helm, Major};
use crate::kubectl::Kubectl;
use crate::testbed::Testbed;
use crate::tool::Tool;

/// A namespace of its own on a cluster, and everything bound to it.
#[derive(Debug)]
pub struct Namespace<'a> {
    /// The cluster.
    pub testbed: &'a Testbed,
    /// Its name.
    pub name: String,
}

impl<'a> Namespace<'a> {
    /// Makes one; `hint` shows in its name.
    pub fn create(testbed: &'a Testbed, hint: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("{hint}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        testbed.kubectl().run(&["create", "namespace", &name]);
        Self { testbed, name }
    }

    /// Merges a patch into an object of it.
    ///
    /// # Panics
    /// When kubectl fails.
    pub fn patch(&self, kind: &str, name: &str, patch: &str) {
        let words = ["-n", &self.name, "patch", kind, name, "--type=merge", "-p", patch];
        self.kubectl().run(&words);
    }

    /// kubectl on the cluster; name the namespace with `-n`.
    pub fn kubectl(&self) -> Kubectl {
        self.testbed.kubectl()
    }

    /// Helm of this major in this namespace.
    pub fn helm(&self, major: Major) -> Helm<'_> {
        Helm::new(major, self)
    }

    /// The shipped binary, using Helm of this major, in this namespace.
    pub fn tool(&self, major: Major) -> Tool {
        Tool::new(self.testbed.kubeconfig(), &self.name, major)
    }

    /// What a user of the model gets through a Service of this namespace.
    pub fn ask(&self, service: &str, model: &str) -> Answer {
        self.client(service).complete(model)
    }

    /// A client of a Service of this namespace.
    pub fn client(&self, service: &str) -> ModelClient {
        ModelClient::new(self.testbed.api(), &self.name, service)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // Frees the GPUs for the next test; the cluster's end would remove the rest.
        let _ = self
            .kubectl()
            .output(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
