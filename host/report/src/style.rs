//! How results look: glyphs and styles.

use anstyle::{AnsiColor, Style};
use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::workload::Severity;

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something to know.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Beside the point.
pub const FAINT: Style = Style::new().dimmed();
/// Headings and the words that matter.
pub const STRONG: Style = Style::new().bold();
/// Everything else.
pub const PLAIN: Style = Style::new();

/// Which characters a terminal can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// ✔ ✖ …
    #[default]
    Unicode,
    /// `ok`, `XX`, `..`: for terminals and logs without UTF-8.
    Ascii,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusIcon {
    /// It was reached or passed.
    Done,
    /// It failed.
    Failed,
    /// It is being worked on.
    Doing,
    /// It could not be told.
    Unsure,
    /// It needs attention.
    Attention,
    /// It is only said.
    Note,
    /// It was left out.
    Skipped,
}

impl StatusIcon {
    /// Its glyph; all glyphs of a set are equally wide.
    pub fn glyph(self, glyphs: Glyphs) -> &'static str {
        let (unicode, ascii) = match self {
            Self::Done => ("✔", "ok"),
            Self::Failed => ("✖", "XX"),
            Self::Doing => ("…", ".."),
            Self::Unsure => ("?", "??"),
            Self::Attention => ("!", "!!"),
            Self::Note => ("·", "  "),
            Self::Skipped => ("-", "--"),
        };
        match glyphs {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }

    /// Its style.
    pub fn style(self) -> Style {
        match self {
            Self::Done => GOOD,
            Self::Failed => BAD,
            Self::Unsure | Self::Attention => WARN,
            Self::Doing | Self::Note | Self::Skipped => FAINT,
        }
    }
}

impl From<Outcome> for StatusIcon {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Done,
            Outcome::Fail | Outcome::Error => Self::Failed,
            Outcome::Inconclusive => Self::Unsure,
        }
    }
}

impl From<Severity> for StatusIcon {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ok => Self::Done,
            Severity::Unknown => Self::Unsure,
            Severity::Warning => Self::Attention,
            Severity::Refuse => Self::Failed,
        }
    }
}

/// An arrow between two values.
pub fn arrow(glyphs: Glyphs) -> &'static str {
    match glyphs {
        Glyphs::Unicode => "→",
        Glyphs::Ascii => "->",
    }
}
