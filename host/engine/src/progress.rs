//! How far a run has gone into the world, and so how it may end.

use crate::traffic::TrafficState;
use crate::workload::ServingPod;

/// Changes that a run made so far, with what it takes to get out of them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing was changed.
    Unchanged,
    /// The registry was asked to stop the model and gave no clear answer. It was seen as it was found, and may still follow.
    Requested,
    /// The model was told out of traffic, or Helm was run; nothing was given back.
    Fenced {
        /// Traffic to restore in the end.
        restore: TrafficState,
        /// Pods that stay in traffic meanwhile.
        retained: Vec<ServingPod>,
        /// That the model is out was seen, and nothing was seen since that speaks against it.
        is_proved: bool,
    },
    /// The model was told back into traffic; a failure takes it out again.
    Unfenced {
        /// Traffic to restore in the end.
        restore: TrafficState,
        /// Pods that had stayed in traffic.
        retained: Vec<ServingPod>,
    },
}

impl Progress {
    /// Something was changed, or may have been.
    pub(crate) fn has_changed_something(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::Unfenced { .. })
    }

    /// Pods that the run left in traffic when it took the model out.
    pub(crate) fn retained(&self) -> &[ServingPod] {
        match self {
            Self::Fenced { retained, .. } | Self::Unfenced { retained, .. } => retained,
            Self::Unchanged | Self::Requested => &[],
        }
    }

    /// The model was seen to be out of traffic, or seen not to be. Nothing to note where the run took nothing out.
    pub(crate) fn note_fence(&mut self, is_now_proved: bool) {
        if let Self::Fenced { is_proved, .. } = self {
            *is_proved = is_now_proved;
        }
    }
}
