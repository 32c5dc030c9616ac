//! A text being drawn. Whatever goes onto it is cleaned on the way, so no renderer can forget to.

use anstyle::Style;
use comfy_table::{Table, presets};

use crate::sanitize;
use crate::style::{FAINT, Glyphs, PLAIN, STRONG, StatusIcon};

/// A piece of a line in one style.
#[derive(Debug, Clone)]
pub struct Span(pub Style, pub String);

/// A piece of a line in the given style.
pub fn span(style: Style, text: impl Into<String>) -> Span {
    Span(style, text.into())
}

/// A piece of a line without style.
pub fn plain(text: impl Into<String>) -> Span {
    Span(PLAIN, text.into())
}

/// A text being drawn.
#[derive(Debug, Default)]
pub struct TextWriter {
    glyphs: Glyphs,
    out: String,
}

impl TextWriter {
    /// An empty page.
    pub fn new(glyphs: Glyphs) -> Self {
        Self {
            glyphs,
            out: String::new(),
        }
    }

    /// The finished text, ANSI styles included.
    pub fn finish(self) -> String {
        self.out
    }

    /// The arrow of this page's glyphs.
    pub fn arrow(&self) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => "→",
            Glyphs::Ascii => "->",
        }
    }

    /// An empty line, unless there is one already or the page is empty.
    pub fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// One line of spans after `indent` spaces.
    pub fn line(&mut self, indent: usize, spans: &[Span]) {
        self.out.push_str(&" ".repeat(indent));
        let last = spans.iter().rposition(|Span(_, text)| !text.trim().is_empty());
        for (at, Span(style, text)) in spans.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            // Blanks at the end of a line are of no use; within it they are its layout.
            let text = if Some(at) == last {
                sanitize::line(text)
            } else {
                keep_edges(text)
            };
            if *style == PLAIN {
                self.out.push_str(&text);
            } else {
                self.out.push_str(&format!("{style}{text}{style:#}"));
            }
        }
        self.out.push('\n');
    }

    /// One line without style.
    pub fn plain(&mut self, indent: usize, text: impl Into<String>) {
        self.line(indent, &[plain(text)]);
    }

    /// One line in one style.
    pub fn styled(&mut self, indent: usize, style: Style, text: impl Into<String>) {
        self.line(indent, &[span(style, text)]);
    }

    /// `cause: …`, a line for each text.
    pub fn labelled(&mut self, indent: usize, label: &str, texts: impl IntoIterator<Item = impl Into<String>>) {
        for text in texts {
            self.line(indent, &[span(FAINT, label), plain(text)]);
        }
    }

    /// One line that begins with a mark.
    pub fn marked(&mut self, indent: usize, mark: StatusIcon, spans: &[Span]) {
        let glyph = span(mark.style(), mark.glyph(self.glyphs));
        self.line(indent, &[&[glyph, plain(" ")], spans].concat());
    }

    /// A heading after a gap.
    pub fn heading(&mut self, text: &str) {
        self.gap();
        self.styled(0, STRONG, text);
    }

    /// `name      value`.
    pub fn field(&mut self, name: &str, text: impl Into<String>) {
        self.field_spans(name, &[plain(text)]);
    }

    /// [`Self::field`] with a styled value.
    pub fn field_spans(&mut self, name: &str, spans: &[Span]) {
        let name = span(FAINT, format!("{name:<10}"));
        self.line(0, &[&[name], spans].concat());
    }

    /// Writes what was observed, line by line.
    pub(crate) fn seen(&mut self, indent: usize, evidence: &[String]) {
        let lines = evidence.iter().flat_map(|seen| sanitize::lines(seen));
        self.labelled(indent, "seen: ", lines);
    }

    /// A titled list of lines; nothing at all when it is empty.
    pub fn list(&mut self, title: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.heading(title);
        for item in items {
            self.plain(2, item);
        }
    }

    /// Aligned columns, the way kubectl prints them.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header.to_vec());
        for row in rows {
            table.add_row(row.iter().map(|cell| sanitize::line(cell)).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for (at, line) in table.lines().enumerate() {
            let style = if at == 0 { STRONG } else { PLAIN };
            self.styled(0, style, line.trim_end());
        }
    }
}

/// Cleans a span; blanks at its end are part of its layout.
fn keep_edges(text: &str) -> String {
    let blanks = text.len() - text.trim_end_matches(' ').len();
    sanitize::line(text) + &" ".repeat(blanks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::GOOD;

    #[test]
    fn what_is_drawn_cannot_steer_the_terminal() {
        let mut page = TextWriter::new(Glyphs::Ascii);
        page.line(2, &[plain("a\u{1b}[2Jb "), span(GOOD, "c\nd")]);
        assert_eq!(page.finish(), format!("  ab {GOOD}c d{GOOD:#}\n"));
    }

    #[test]
    fn columns_are_aligned_and_not_boxed() {
        let mut page = TextWriter::new(Glyphs::Ascii);
        page.table(
            &["A", "B"],
            vec![vec!["long".into(), "x".into()], vec!["s".into(), "y".into()]],
        );
        let text = anstream::adapter::strip_str(&page.finish()).to_string();
        assert_eq!(text, "A     B\nlong  x\ns     y\n");
    }
}
