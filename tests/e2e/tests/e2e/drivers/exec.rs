//! A site's tool as a process, over the runbook's table. It leaves the routers' cache alone, as the runbook's own does, so
//! a model is out of traffic only when the cache has forgotten it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::router::{API_KEY, Keeps};
use vllm_rollback_harness::tool::Tool;

use super::door::{Door, Laggard};
use super::line::{self, Line};
use super::postgres::{ENVIRONMENT, Runbook};
use super::{TrafficBackend, Trouble, owned};
use crate::fixture::{MODEL, Model};

/// The site's tool cannot delete what the routers cache, so they keep it for a moment only.
const KEEPS: Keeps = Keeps {
    cached: 2,
    remembered: 0,
};

/// How late the database is when it is slow.
const LATE: Duration = Duration::from_millis(200);

/// What the site's tool sends to set the row.
const CHANGE: &[&str] = &["update model_registry_entries"];

const SCRIPT: &str = "#!/bin/sh
set -eu
case $1 in
list) psql -qtAc \"select json_agg(json_build_object('model_name', model_name, 'endpoint', deployment_endpoint,
    'status', deployment_status, 'environment', deployment_environment)) from model_registry_entries\" ;;
set) psql -qc \"update model_registry_entries set deployment_status = '$4'
    where model_name = '$2' and deployment_environment = '$3'\" ;;
*) exit 2 ;;
esac
";

/// The runbook's system, reached by a tool.
pub(super) struct SiteTool {
    runbook: Runbook,
    directory: tempfile::TempDir,
}

impl SiteTool {
    /// A configuration in which `read` is this command, and its path.
    fn configuration(&self, name: &str, read: &str) -> String {
        let path = self.directory.path().join(name);
        let set = |status: &str| format!("[./tool, set, '{{model}}', '{{environment}}', {status}]");
        let (disable, enable, restore) = (set("disabled"), set("ready"), set("'{status}'"));
        let text = format!(
            "environment: {ENVIRONMENT}\nregistry:\n  driver: exec\n  exec:\n    read: {read}\n    disable: {disable}\n    \
             enable: {enable}\n    restore: {restore}\n    timeout: 15s\n    \
             env: [PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE]\n"
        );
        std::fs::write(&path, text).expect("a fresh directory is writable");
        path.to_string_lossy().into_owned()
    }

    fn arguments_of(&self, configuration: &str) -> Vec<String> {
        let mut words = owned(&[
            "--config",
            configuration,
            "--model",
            MODEL,
            "--router-key-env",
            "ROUTER_KEY",
        ]);
        for url in self.runbook.urls() {
            words.extend(["--router-replica".to_owned(), url]);
        }
        words
    }
}

fn script(directory: &Path) {
    let path = directory.join("tool");
    std::fs::write(&path, SCRIPT).expect("a fresh directory is writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("our own file");
}

impl TrafficBackend for SiteTool {
    const DRIVER: &'static str = "exec";
    const IN: &'static str = Runbook::IN;
    const OUT: &'static str = Runbook::OUT;
    const OTHERS: &'static [&'static str] = &["disabled", "degraded"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        script(directory.path());
        Some(Self {
            runbook: Runbook::start_with(hint, major, KEEPS),
            directory,
        })
    }

    fn model(&self) -> &Model {
        self.runbook.model()
    }

    fn arguments(&self) -> Vec<String> {
        self.arguments_of(&self.configuration("works.yaml", "[./tool, list]"))
    }

    fn tool(&self) -> Tool {
        let tool = self.model().tool().env("ROUTER_KEY", API_KEY);
        let variables = self.runbook.client_env();
        variables.iter().fold(tool, |tool, (key, value)| tool.env(key, value))
    }

    fn state(&self) -> String {
        self.runbook.state()
    }

    fn set(&self, word: &str) {
        self.runbook.set(word);
    }

    fn doors(&self) -> Vec<Door> {
        self.runbook.doors()
    }

    fn give_away(&self, away: bool) {
        self.runbook.give_away(away);
    }

    fn troubles(&self) -> Vec<Trouble> {
        let with = |what, says, name, read: &str| Trouble {
            what,
            says,
            arguments: self.arguments_of(&self.configuration(name, read)),
            env: Vec::new(),
        };
        let mut troubles = vec![
            with("no such tool", "cannot be started", "missing.yaml", "[./no-such-tool]"),
            with("a tool that fails", "exit code 1", "fails.yaml", "['false']"),
            with(
                "a tool that refuses its arguments",
                "refuses its arguments",
                "usage.yaml",
                "[./tool, show]",
            ),
            with(
                "a tool that prints something else",
                "something other than its entries",
                "garbage.yaml",
                "[echo, Found 1 model]",
            ),
            with("a tool that finds nothing", "no entry", "nothing.yaml", "['true']"),
            with(
                "a tool that hangs",
                "did not end within",
                "hangs.yaml",
                "[sleep, '600']",
            ),
        ];
        troubles.push(Trouble {
            what: "a wrong password",
            says: "password authentication failed",
            arguments: self.arguments(),
            env: vec![("PGPASSWORD", "wrong".to_owned())],
        });
        troubles
    }
    fn line(&self, line: Line) {
        line::set(self.runbook.relay(), line, LATE, CHANGE);
    }

    fn laggard(&self) -> Option<Laggard> {
        Some(self.runbook.laggard(self.arguments()))
    }
}
