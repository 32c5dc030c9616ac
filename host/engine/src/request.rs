//! What the operator asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::release::{ReleaseRef, Revision};

/// Revision that the operator wants to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackTarget {
    /// The newest revision below the current one that is not known to be bad.
    LastGood,
    /// This revision. Never 0.
    Exact(Revision),
}

/// Something the run refuses unless the operator accepts it by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Override {
    /// `--to-rejected`: the named revision failed, or somebody rolled back from it.
    BadTarget,
    /// `--accept-pending`: the current revision is pending and so young that its operation may still be alive.
    PendingCurrent,
    /// `--gitops=ignore`: a GitOps controller owns the release and may put the bad version back.
    GitOps,
    /// `--gitops=suspend`: the run suspends the GitOps controller that owns the release, and leaves it suspended.
    SuspendGitOps,
    /// `--accept-fewer-replicas`: Helm takes replicas away that somebody added since the target.
    FewerReplicas,
}

/// Longest times that the run waits, by what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For requests in flight, before the pods are replaced.
    pub drain: Duration,
    /// For the target to serve, instead of what its own probes allow for start-up.
    pub readiness: Option<Duration>,
    /// For the registry, its caches and the router to follow a change.
    pub registry: Duration,
    /// For the `helm rollback` child process.
    pub helm: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
            readiness: None,
            registry: Duration::from_secs(150),
            helm: Duration::from_secs(300),
        }
    }
}

/// Part of the model that is taken out of traffic during the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FenceScope {
    /// The whole model.
    #[default]
    Whole,
    /// All but the pods of the target's revision that still serve, once they passed the direct checks.
    BadOnly,
}

/// Order of an operator, and who gave it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The release.
    pub release: ReleaseRef,
    /// Revision to go to. A run that resumes another goes where that one went.
    pub target: RollbackTarget,
    /// Finish the run that was cut off, instead of starting another.
    pub resumes: bool,
    /// Reason that the operator gave.
    pub reason: Option<String>,
    /// Operator: `user@host`, or as the cluster knows them.
    pub by: String,
    /// Unique name of this run.
    pub run_id: String,
    /// Version of this tool.
    pub tool_version: String,
    /// Longest times to wait.
    pub deadlines: Deadlines,
    /// Part of the model to take out of traffic.
    pub fence: FenceScope,
    /// Overrides that the operator accepted by name.
    pub accept: BTreeSet<Override>,
    /// Model name that clients ask for, when the operator says it; else the preflight's.
    pub model: Option<String>,
    /// Environment in the registry, when there is one.
    pub environment: Option<String>,
    /// From the start of the command to the end of planning. The time a person took to confirm is not in it.
    pub planning: Duration,
}

impl Request {
    /// A request for the last good revision with the usual deadlines.
    pub fn new(release: ReleaseRef, run_id: impl Into<String>, by: impl Into<String>) -> Self {
        Self {
            release,
            target: RollbackTarget::LastGood,
            resumes: false,
            reason: None,
            by: by.into(),
            run_id: run_id.into(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            deadlines: Deadlines::default(),
            fence: FenceScope::default(),
            accept: BTreeSet::new(),
            model: None,
            environment: None,
            planning: Duration::ZERO,
        }
    }

    /// The operator accepted this by name.
    pub fn accepts(&self, what: Override) -> bool {
        self.accept.contains(&what)
    }
}
