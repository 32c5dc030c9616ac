//! A site's own tool as the registry: commands that read, disable and enable the model.
//!
//! The commands are argument lists, never a shell's line, and follow the contract of the runbook's `admin-cli`
//! (docs/drivers.md): exit code 0 for done, 1 for failed, 2 for arguments it refuses, 3 for a registry that does not
//! answer; what it reads is JSON. A tool cannot compare and set, so the state is read again before each change.

mod answer;
mod command;
mod settings;
mod template;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{ReleaseEndpoints, RouterClient};
use vllm_rollback_engine::traffic::{Stop, TrafficState, TrafficStatus};

pub use command::ProcessEnv;
pub use settings::Keys;
pub(crate) use settings::Settings;
pub use template::{Template, Values};

use crate::driver_state::decode;
use crate::release_endpoints::assert_own;
use crate::router::{self, Expected};
use crate::status::{DISABLED, DriverState, READY, Statuses};
use answer::Entry;

/// Time between two reads of a registry that does not yet show a change.
const PAUSE: Duration = Duration::from_millis(500);

/// Settings of the driver.
pub struct ExecConfig {
    /// The commands.
    pub commands: Commands,
    /// Values of the commands' placeholders.
    pub values: Values,
    /// Environment and time limit of each command.
    pub surroundings: ProcessEnv,
    /// Longest time that routers may act on the old entry after a change, where it is known.
    pub visible_after: Option<Duration>,
    /// The release's Services: an entry that points elsewhere is another's.
    pub owner: Arc<dyn ReleaseEndpoints>,
    /// The router to ask, when one is known.
    pub router: Option<Arc<dyn RouterClient>>,
}

/// The site's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Prints the registry's entries as JSON.
    pub read: Template,
    /// Takes the model out of traffic.
    pub disable: Template,
    /// Puts it into traffic: status `ready`.
    pub enable: Template,
    /// Sets any other status; a tool may have none.
    pub restore: Option<Template>,
}

/// The driver.
pub struct ExecRegistry {
    config: ExecConfig,
    statuses: Statuses,
}

impl ExecRegistry {
    /// Routers that keep the runbook's contract hold an entry for so long.
    pub const RUNBOOK_TTL: Duration = Duration::from_secs(120);

    /// The driver; starts nothing yet.
    ///
    /// # Errors
    /// `Usage` when a placeholder of a command stands for nothing.
    pub fn new(config: ExecConfig) -> Result<Self, Failure> {
        let commands = &config.commands;
        for template in [&commands.read, &commands.disable, &commands.enable] {
            template.fill(&config.values, None)?;
        }
        if let Some(restore) = &commands.restore {
            restore.fill(&config.values, Some(READY))?;
        }
        Ok(Self {
            config,
            statuses: Statuses::default(),
        })
    }

    fn model(&self) -> &str {
        &self.config.values.model
    }

    async fn run(&self, template: &Template, status: Option<&str>) -> Result<String, WriteError> {
        let argv = template
            .fill(&self.config.values, status)
            .map_err(WriteError::Rejected)?;
        command::run(&argv, &self.config.surroundings).await
    }

    async fn entry(&self) -> Result<Entry, Failure> {
        let read = &self.config.commands.read;
        let printed = self.run(read, None).await?;
        answer::find(&printed, &self.config.values)
            .map_err(|failure| failure.because(format!("this is what {} printed", read.program())))
    }

    fn evidence(&self, entry: &Entry) -> String {
        format!(
            "registry entry of {} from {}: status {}, endpoint {}",
            self.config.values,
            self.config.commands.read.program(),
            entry.as_str(),
            entry.endpoint.as_deref().unwrap_or("(none)")
        )
    }

    fn changed(&self, entry: &Entry) -> Failure {
        Failure::conflict(format!(
            "the registry's entry of {} was changed by somebody else",
            self.config.values
        ))
        .because(self.evidence(entry))
        .next("check who else changes this model, then run again")
    }

    /// The command that leads to a status.
    async fn set(&self, status: Option<&str>) -> Result<(), WriteError> {
        let commands = &self.config.commands;
        let (template, word) = match (status, &commands.restore) {
            (Some(READY), _) => (&commands.enable, None),
            (Some(DISABLED), _) => (&commands.disable, None),
            (Some(word), Some(restore)) => (restore, Some(word)),
            (word, _) => {
                let failure = Failure::refused(format!(
                    "the registry's tool cannot set status {}",
                    word.unwrap_or("(none)")
                ));
                return Err(WriteError::Rejected(failure.next(
                    "give it a command: registry.exec.restore in the configuration, with {status} in its arguments",
                )));
            }
        };
        self.run(template, word).await.map(drop)
    }

    /// Waits until the entry is as wanted.
    async fn settle(&self, end: Instant, wanted: impl Fn(&Entry) -> bool) -> Result<Entry, Failure> {
        loop {
            let entry = self.entry().await?;
            if wanted(&entry) {
                return Ok(entry);
            }
            if Instant::now() + PAUSE > end {
                return Err(self.changed(&entry));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until no router can still hold the state before the change, which was made `age` ago.
    async fn wait_for_cache_ttl(&self, age: Duration, end: Instant) -> Result<String, Failure> {
        let no_router = self.config.router.is_none();
        let Some(time) = self.config.visible_after.or(no_router.then_some(Self::RUNBOOK_TTL)) else {
            return Ok("routers are probed, so the run does not wait for their caches".to_owned());
        };
        let until = Instant::now() + time.saturating_sub(age);
        if until > end {
            return Err(Failure::timeout(format!(
                "routers may use the old entry for {} s, which is longer than this run waits",
                time.as_secs()
            ))
            .next("name a router that can be asked instead: --router-url URL")
            .next("or set how long it takes: registry.exec.visible_after in the configuration"));
        }
        tokio::time::sleep_until(until).await;
        Ok(format!(
            "{} s have passed since the change: no router uses the old entry any more",
            time.as_secs()
        ))
    }
}

#[async_trait]
impl Registry for ExecRegistry {
    fn driver(&self) -> &'static str {
        "exec"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let entry = self.entry().await?;
        let what = format!("the registry's entry of {}", self.config.values);
        let owner = self.config.owner.as_ref();
        assert_own(owner, &what, entry.endpoint.as_deref(), entry.namespace.as_deref()).await?;
        let evidence = self.evidence(&entry);
        Ok(self
            .statuses
            .found(self.driver(), entry.status, entry.endpoint, evidence))
    }

    async fn preflight(&self) -> Result<(), Failure> {
        router::preflight(self.config.router.as_deref(), self.model()).await
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), stop.prior).map_err(WriteError::Rejected)?;
        let now = self.entry().await.map_err(WriteError::Rejected)?;
        if now.status.as_deref() == Some(DISABLED) {
            return Ok(());
        }
        if now.status != token.status || now.endpoint != token.endpoint {
            return Err(WriteError::Rejected(self.changed(&now)));
        }
        self.set(Some(DISABLED)).await
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let entry = self.settle(end, |entry| entry.status.as_deref() != Some(READY)).await?;
        let mut lines = vec![self.evidence(&entry), self.wait_for_cache_ttl(stop.age, end).await?];
        lines.extend(router::confirm(self.config.router.as_deref(), self.model(), Expected::Refuse, end).await?);
        Ok(lines)
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), prior).map_err(WriteError::Rejected)?;
        let now = self.entry().await.map_err(WriteError::Rejected)?;
        if now.status == token.status {
            return Ok(());
        }
        if now.status.as_deref() != Some(self.statuses.from(&token)) || now.endpoint != token.endpoint {
            return Err(WriteError::Rejected(self.changed(&now)));
        }
        self.set(token.status.as_deref()).await
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let token: DriverState = decode(self.driver(), prior)?;
        let wanted = |entry: &Entry| entry.status == token.status && entry.endpoint == token.endpoint;
        let mut lines = vec![self.evidence(&self.settle(end, wanted).await?)];
        if prior.status == TrafficStatus::Enabled {
            lines.extend(router::confirm(self.config.router.as_deref(), self.model(), Expected::Serve, end).await?);
        }
        Ok(lines)
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        self.statuses.enabled(self.driver(), now)
    }
}
