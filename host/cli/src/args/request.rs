//! Flags that become the engine's request.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vllm_rollback_engine::release::Revision;
use vllm_rollback_engine::request::{FenceScope, Override, Request, RollbackTarget};
use vllm_rollback_settings::duration;

use crate::args::target::TargetArgs;

/// Settings of a rollback beside the release and the site.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RequestArgs {
    /// Longest wait for the pods to get ready, instead of what their own probes allow
    #[arg(long, value_name = "TIME", value_parser = duration::parse_positive)]
    pub(crate) timeout: Option<Duration>,
    /// Go on although Helm's last operation on the release is pending and may still be alive
    #[arg(long)]
    pub(crate) accept_pending: bool,
    /// Go to the named revision although it failed or was rolled back from
    #[arg(long)]
    pub(crate) to_rejected: bool,
    /// Go on although Helm takes replicas away that an autoscaler or a person added
    #[arg(long)]
    pub(crate) accept_fewer_replicas: bool,
    /// Part of the model to take out of traffic meanwhile
    #[arg(long, value_enum, value_name = "WHAT", default_value = "whole")]
    pub(crate) fence: FenceFlag,
    /// Reaction to a GitOps controller that owns the release and is not suspended
    #[arg(long, value_enum, value_name = "WHAT", default_value = "refuse")]
    pub(crate) gitops: GitOps,
}

/// Part of the model to take out of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FenceFlag {
    /// The model
    #[default]
    Whole,
    /// All but the pods of the target's revision that still serve, once they passed the checks
    BadOnly,
}

impl From<FenceFlag> for FenceScope {
    fn from(fence: FenceFlag) -> Self {
        match fence {
            FenceFlag::Whole => Self::Whole,
            FenceFlag::BadOnly => Self::BadOnly,
        }
    }
}

/// Reaction to a GitOps controller that owns the release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum GitOps {
    /// Refuse: it would put the bad version back
    #[default]
    Refuse,
    /// Suspend it before anything else, and leave it suspended
    Suspend,
    /// Go on, and say it in the report
    Ignore,
}

impl GitOps {
    /// Override that this reaction needs; none for refusing.
    pub(crate) fn accepted(self) -> Option<Override> {
        match self {
            Self::Refuse => None,
            Self::Suspend => Some(Override::SuspendGitOps),
            Self::Ignore => Some(Override::GitOps),
        }
    }
}

impl RequestArgs {
    /// Puts them, and where to go, into a request.
    pub(crate) fn apply(&self, target: &TargetArgs, mut request: Request) -> Request {
        request.target = target.wanted().map_or(RollbackTarget::LastGood, |number| {
            RollbackTarget::Exact(Revision(number))
        });
        request.accept = self.accepted();
        request.fence = self.fence.into();
        request.deadlines.readiness = self.timeout.or(request.deadlines.readiness);
        request
    }

    fn accepted(&self) -> BTreeSet<Override> {
        let given = [
            (self.accept_pending, Override::PendingCurrent),
            (self.to_rejected, Override::BadTarget),
            (self.accept_fewer_replicas, Override::FewerReplicas),
        ];
        let gitops = self.gitops.accepted();
        given
            .into_iter()
            .filter_map(|(yes, what)| yes.then_some(what))
            .chain(gitops)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_what_was_typed() {
        let flags = RequestArgs {
            to_rejected: true,
            ..RequestArgs::default()
        };
        assert_eq!(flags.accepted(), BTreeSet::from([Override::BadTarget]));
        assert!(RequestArgs::default().accepted().is_empty());
    }
}
