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

/// Characters that a terminal can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// ✔ ✖ …
    #[default]
    Unicode,
    /// `ok`, `XX`, `..`: for terminals and logs without UTF-8.
    Ascii,
}

/// Status that a line reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusIcon {
    /// Reached or passed.
    Done,
    /// Failed.
    Failed,
    /// In progress.
    Doing,
    /// Could not be observed.
    Unsure,
    /// Needs attention.
    Attention,
    /// Information only.
    Note,
    /// Left out.
    Skipped,
}

impl StatusIcon {
    /// Returns the glyph; all glyphs of a set are equally wide.
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

    /// Returns the style.
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
