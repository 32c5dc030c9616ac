//! For people: text with ANSI styles.

use crate::document::Document;
use crate::style::Glyphs;
use crate::text::TextWriter;

/// Renders a document for people.
pub fn table(document: &impl Document, glyphs: Glyphs) -> String {
    let mut out = TextWriter::new(glyphs);
    document.write(&mut out);
    out.finish()
}
