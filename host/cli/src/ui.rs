//! The two streams: the result on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::{ExitCode, RunReport};
use vllm_rollback_report::document::Document;
use vllm_rollback_report::error::ErrorDocument;
use vllm_rollback_report::render;
use vllm_rollback_report::run::{ReportKind, RunDocument};
use vllm_rollback_report::style::Glyphs;
use vllm_rollback_report::terminal::{Style, Terminal};
use vllm_rollback_settings::Env;

use crate::args::output::{Color, Format, OutputArgs};
use crate::exit;
use crate::invoked_as::InvokedAs;

/// Output of this process: streams, format, and the command names to use in texts.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    /// Command names to use in texts.
    pub(crate) invoked_as: InvokedAs,
    /// The environment.
    pub(crate) env: Env,
    /// Format of the result.
    pub(crate) format: Format,
    /// Characters.
    pub(crate) glyphs: Glyphs,
    color: Color,
    started: Instant,
}

impl Ui {
    /// Speaks plainly, until the verb's own flags are known.
    pub(crate) fn new(invoked_as: InvokedAs, env: Env) -> Self {
        Self {
            invoked_as,
            env,
            format: Format::default(),
            glyphs: Glyphs::default(),
            color: Color::default(),
            started: Instant::now(),
        }
    }

    /// Speaks as the flags say.
    pub(crate) fn configure(&mut self, args: &OutputArgs) {
        self.format = args.output;
        self.color = args.color;
        self.glyphs = if args.ascii { Glyphs::Ascii } else { Glyphs::Unicode };
    }

    /// Prints the result. A reader that went away is not an error.
    pub(crate) fn result(&self, text: &str) {
        let mut out = AutoStream::new(std::io::stdout(), self.choice());
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// Prints a result in the format asked for.
    ///
    /// # Errors
    /// When it cannot be written in that format.
    pub(crate) fn show(&self, document: &impl Document) -> Result<(), Failure> {
        self.result(&self.format.render(document, self.glyphs)?);
        Ok(())
    }

    /// Prints the report of a run in the user's words. Gives its exit code.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub(crate) fn report(&self, kind: ReportKind, mut report: RunReport) -> Result<ExitCode, Failure> {
        let hints = report.failure.iter_mut().flat_map(|failure| failure.next.iter_mut());
        for text in report.next.iter_mut().chain(&mut report.notes).chain(hints) {
            *text = self.invoked_as.rewrite_commands(text);
        }
        self.show(&RunDocument { kind, report: &report })?;
        Ok(report.exit_code)
    }

    /// Since this process began.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Prints to stderr, styles included.
    pub(crate) fn emit(&self, text: &str) {
        let mut err = self.stderr();
        let _ = err.write_all(text.as_bytes());
        let _ = err.flush();
    }

    /// Reports a failure: text on stderr, and in a format for programs a document on stdout. Gives the exit code.
    pub(crate) fn print_error(&self, failure: &Failure, state: Option<&'static str>) -> ExitCode {
        let error = self.tell(failure, state);
        if self.format.is_for_programs() {
            // An error that cannot be written stands on stderr already.
            let _ = self.show(&error);
        }
        error.exit_code
    }

    /// Reports a failure on stderr alone, for a verb that printed its result. Gives the exit code.
    pub(crate) fn explain(&self, failure: &Failure, state: Option<&'static str>) -> ExitCode {
        self.tell(failure, state).exit_code
    }

    /// Prints a failure to stderr, its hints in the user's words.
    fn tell(&self, failure: &Failure, state: Option<&'static str>) -> ErrorDocument {
        let mut failure = failure.clone();
        for next in &mut failure.next {
            *next = self.invoked_as.rewrite_commands(next);
        }
        let error = ErrorDocument {
            exit_code: exit::code(&failure),
            failure,
            state,
        };
        self.emit(&render::table(&error, self.glyphs));
        error
    }

    /// A reporter on stderr; its clock began with the process.
    pub(crate) fn terminal(&self) -> Terminal {
        let started = self.started;
        Terminal::new(
            self.stderr(),
            Box::new(move || started.elapsed()),
            self.glyphs,
            self.style(),
        )
    }

    /// Lines only, unless stderr is a terminal that can move its cursor.
    fn style(&self) -> Style {
        let stderr = std::io::stderr();
        let moves = stderr.is_terminal()
            && self.env.get("TERM").is_some_and(|term| term != "dumb")
            && self.resolved(&stderr) != ColorChoice::Never;
        match rustix::termios::tcgetwinsize(&stderr) {
            Ok(size) if moves && size.ws_col > 20 => Style::Live {
                columns: usize::from(size.ws_col),
            },
            _ => Style::Lines,
        }
    }

    fn stderr(&self) -> Box<dyn Write + Send> {
        let stderr = std::io::stderr();
        let choice = self.resolved(&stderr);
        Box::new(AutoStream::new(stderr, choice))
    }

    fn resolved(&self, stderr: &std::io::Stderr) -> ColorChoice {
        match self.choice() {
            ColorChoice::Auto => AutoStream::choice(stderr),
            other => other,
        }
    }

    fn choice(&self) -> ColorChoice {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        }
    }
}

/// Moves the terminal's clock while `work` is done.
pub(crate) async fn with_ticker<T>(terminal: &Terminal, work: impl Future<Output = T>) -> T {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = seconds.tick() => terminal.tick(),
        }
    }
}
