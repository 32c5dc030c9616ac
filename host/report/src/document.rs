//! The contract between a verb's result and the formats that it is printed in.

use serde::Serialize;

use crate::text::TextWriter;

/// A result that a verb prints. Its serde form is its JSON; the formats in [`crate::render`] do the rest.
///
/// ```
/// use vllm_rollback_report::document::{Document, Kind};
/// use vllm_rollback_report::style::Glyphs;
/// use vllm_rollback_report::text::{TextWriter, plain};
/// use vllm_rollback_report::render;
///
/// #[derive(serde::Serialize)]
/// struct Greeting {
///     word: &'static str,
/// }
///
/// impl Document for Greeting {
///     fn kind(&self) -> Kind {
///         Kind::Version
///     }
///
///     fn write(&self, out: &mut TextWriter) {
///         out.line(0, &[plain(self.word)]);
///     }
/// }
///
/// assert_eq!(render::table(&Greeting { word: "hello" }, Glyphs::Ascii), "hello\n");
/// ```
pub trait Document: Serialize {
    /// The word that programs tell documents apart by.
    fn kind(&self) -> Kind;

    /// Writes the text for people.
    fn write(&self, out: &mut TextWriter);
}

/// The word that programs tell documents apart by. A word, once released, keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// The report of a run.
    RollbackRun,
    /// A plan.
    RollbackPlan,
    /// A release's revisions.
    ReleaseHistory,
    /// What a release is and does now.
    ReleaseStatus,
    /// The report of checks that ran on their own.
    ValidationRun,
    /// The report of an operator's change of traffic.
    RegistryRun,
    /// The report of the end of a run that was cut off.
    AbortRun,
    /// The report of the removal of a lock.
    UnlockRun,
    /// A model's place in traffic.
    RegistryStatus,
    /// A journal that was run again.
    JournalReplay,
    /// The tool's versions.
    Version,
    /// Why there is no other document.
    Error,
}
