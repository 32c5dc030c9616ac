//! What a run takes over from an earlier one that did not end well.

pub(crate) mod decide;
pub(crate) mod earlier;
mod steps;

pub use earlier::{Unfinished, held_by_a_run, unfinished};
pub use steps::{Decision, ResumedStep, Resumption};
