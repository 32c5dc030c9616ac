//! Flags for what is printed.

use clap::{Args, ValueEnum};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_report::document::Document;
use vllm_rollback_report::render;
use vllm_rollback_report::style::Glyphs;

/// Format of the result on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: one versioned JSON document
    Json,
}

impl Format {
    /// Renders a document in this format.
    ///
    /// # Errors
    /// When it cannot be written in it.
    pub(crate) fn render(self, document: &impl Document, glyphs: Glyphs) -> Result<String, Failure> {
        match self {
            Self::Table => Ok(render::table(document, glyphs)),
            Self::Json => render::json(document),
        }
    }

    /// Prints errors, too, as documents on stdout.
    pub(crate) fn is_for_programs(self) -> bool {
        self != Self::Table
    }
}

/// Use of colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that can, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Format of the output. The result goes to stdout, progress to stderr.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Format of the result
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) output: Format,
    /// Colour the output
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) color: Color,
    /// Use no characters outside ASCII
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Log what the tool does to stderr; twice for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}
