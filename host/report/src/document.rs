//! The contract between a verb's result and the formats that it is printed in.

use serde::Serialize;

use crate::text::TextWriter;

/// A result that a verb prints. Its serde form is its JSON; the formats in [`crate::render`] do the rest.
///
/// ```
/// use vllm_rollback_report::document::Document;
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
///     fn kind(&self) -> &'static str {
///         "Greeting"
///     }
///
///     fn write(&self, out: &mut TextWriter) {
///         out.plain(0, self.word);
///     }
/// }
///
/// assert_eq!(render::table(&Greeting { word: "hello" }, Glyphs::Ascii), "hello\n");
/// ```
pub trait Document: Serialize {
    /// The word that programs tell documents apart by: stable once released, in the form of Kubernetes' kinds.
    fn kind(&self) -> &'static str;

    /// Writes the text for people.
    fn write(&self, out: &mut TextWriter);
}
