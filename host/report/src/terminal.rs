//! Progress on stderr, line by line as things happen.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::report::{RunReport, StateName};

use crate::style::{BAD, FAINT, Glyphs, STRONG, StatusIcon, WARN};
use crate::text::{Span, TextWriter, plain, span};
use crate::time::{seconds, whole};
use crate::{cause, sanitize, verdict};

/// Column at which the texts begin: behind `[ 12.3s] ✔ `.
const INDENT: usize = 12;
/// Pipelines stop a job that says nothing for long, so a line is printed at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// In a log, progress is worth a line at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Way in which progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Lines only: a file, a pipe, a CI log.
    Lines,
    /// The newest line of progress is overwritten in place; the terminal has this many columns.
    Live {
        /// Width of the terminal.
        columns: usize,
    },
}

/// Seconds since the run began, asked once a line.
pub type Elapsed = Box<dyn Fn() -> Duration + Send + Sync>;

/// Writes a line for every event.
pub struct Terminal {
    elapsed: Elapsed,
    glyphs: Glyphs,
    style: Style,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    doing: Option<Doing>,
    /// A line without a line break stands on the terminal.
    live: bool,
    last_line: Duration,
    last_progress: Option<Duration>,
}

/// Activity that is being waited for.
struct Doing {
    state: StateName,
    text: String,
    deadline: Option<Duration>,
}

impl Terminal {
    /// A reporter that writes to `out`, which strips styles where they are not wanted.
    pub fn new(out: Box<dyn Write + Send>, elapsed: Elapsed, glyphs: Glyphs, style: Style) -> Self {
        Self {
            elapsed,
            glyphs,
            style,
            inner: Mutex::new(Inner {
                out,
                doing: None,
                live: false,
                last_line: Duration::ZERO,
                last_progress: None,
            }),
        }
    }

    /// To be called about once a second: moves the live line's clock on, or prints a heartbeat into a silent log.
    pub fn tick(&self) {
        let now = (self.elapsed)();
        let mut inner = self.lock();
        let Some(doing) = &inner.doing else { return };
        match self.style {
            Style::Live { columns } => inner.redraw(now, columns),
            Style::Lines if now.saturating_sub(inner.last_line) >= HEARTBEAT => {
                let spans = vec![
                    span(FAINT, "still "),
                    plain(doing.text.clone()),
                    span(FAINT, until(doing, now)),
                ];
                let text = self.drawn(now, StatusIcon::Doing, &spans, |_| ());
                inner.permanent(now, &text);
            }
            Style::Lines => {}
        }
    }

    /// A line that no event stands for: what a signal did, a warning before the run.
    pub fn emit(&self, mark: StatusIcon, text: &str) {
        self.print(mark, &[plain(text)], |_| ());
    }

    /// Takes the live line away, so that other output can follow.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.doing = None;
        inner.erase();
        let _ = inner.out.flush();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drawn(&self, now: Duration, mark: StatusIcon, spans: &[Span], below: impl FnOnce(&mut TextWriter)) -> String {
        let mut out = TextWriter::new(self.glyphs);
        let head = [
            span(FAINT, format!("[{:>6}] ", seconds_column(now))),
            span(mark.style(), mark.glyph(self.glyphs)),
            plain(" "),
        ];
        out.line(0, &[&head, spans].concat());
        below(&mut out);
        out.finish()
    }

    fn print(&self, mark: StatusIcon, spans: &[Span], below: impl FnOnce(&mut TextWriter)) {
        let now = (self.elapsed)();
        let text = self.drawn(now, mark, spans, below);
        let mut inner = self.lock();
        inner.permanent(now, &text);
        if let Style::Live { columns } = self.style {
            inner.redraw(now, columns);
        }
    }

    fn entering(&self, state: StateName, text: String, deadline_seconds: Option<u64>) {
        let now = (self.elapsed)();
        let doing = Doing {
            state,
            text,
            deadline: deadline_seconds.map(|s| now + Duration::from_secs(s)),
        };
        let spans = [
            state_span(state),
            plain(doing.text.clone()),
            span(FAINT, until(&doing, now)),
        ];
        let mut inner = self.lock();
        inner.last_progress = None;
        inner.doing = Some(doing);
        match self.style {
            Style::Live { columns } => inner.redraw(now, columns),
            Style::Lines => {
                let text = self.drawn(now, StatusIcon::Doing, &spans, |_| ());
                inner.permanent(now, &text);
            }
        }
    }

    fn progress(&self, text: String) {
        let now = (self.elapsed)();
        let mut inner = self.lock();
        let changed = inner.doing.as_ref().is_none_or(|doing| doing.text != text);
        if let Some(doing) = &mut inner.doing {
            doing.text.clone_from(&text);
        }
        match (self.style, &inner.doing) {
            (Style::Live { columns }, Some(_)) => inner.redraw(now, columns),
            _ => {
                let due = inner
                    .last_progress
                    .is_none_or(|last| now.saturating_sub(last) >= PROGRESS_EVERY);
                if changed && due {
                    inner.last_progress = Some(now);
                    let text = self.drawn(now, StatusIcon::Note, &[span(FAINT, text)], |_| ());
                    inner.permanent(now, &text);
                }
            }
        }
    }

    fn finished(&self, report: &RunReport) {
        self.lock().doing = None;
        // A run that ended well said so when it reached its last state.
        if report.outcome != StateName::Done {
            let outcome = span(StatusIcon::Failed.style(), format!("{}: ", report.outcome));
            self.print(
                StatusIcon::Failed,
                &[outcome, plain(report.exit_code.meaning())],
                |_| (),
            );
        }
    }
}

impl Inner {
    fn erase(&mut self) {
        if self.live {
            // A terminal that went away is no reason to stop a rollback.
            let _ = write!(self.out, "\r\u{1b}[2K");
            self.live = false;
        }
    }

    fn permanent(&mut self, now: Duration, text: &str) {
        self.erase();
        self.last_line = now;
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    /// Writes the live line anew, while something is waited for.
    fn redraw(&mut self, now: Duration, columns: usize) {
        self.erase();
        if let Some(doing) = &self.doing {
            let _ = self.out.write_all(live_line(now, doing, columns).as_bytes());
            let _ = self.out.flush();
            self.live = true;
        }
    }
}

impl Observer for Terminal {
    fn event(&self, event: Event) {
        match event {
            Event::Entering {
                state,
                doing,
                deadline_seconds,
            } => self.entering(state, doing, deadline_seconds),
            Event::Reached {
                state,
                seconds: took,
                evidence,
            } => {
                self.lock().doing = None;
                self.print(
                    StatusIcon::Done,
                    &[state_span(state), span(FAINT, seconds(took))],
                    |out| {
                        for line in &evidence {
                            out.styled(INDENT, FAINT, line);
                        }
                    },
                );
            }
            Event::Note { text } => self.print(StatusIcon::Note, &[plain(text)], |_| ()),
            Event::Warning { text } => self.print(StatusIcon::Attention, &[span(WARN, text)], |_| ()),
            Event::Progress { text } => self.progress(text),
            Event::CauseSeen { cause: seen } => {
                self.print(cause::icon(&seen), &cause::spans(&seen), |out| {
                    cause::details(out, INDENT, &seen);
                });
            }
            Event::Checked { verdict } => {
                self.print(verdict.outcome.into(), &verdict::spans(&verdict), |out| {
                    verdict::details(out, INDENT, &verdict);
                });
            }
            Event::Failed { failure } => {
                self.lock().doing = None;
                self.print(StatusIcon::Failed, &[span(BAD, failure.what.clone())], |out| {
                    out.labelled(INDENT, "cause: ", &failure.why);
                });
            }
            Event::Finished { report } => self.finished(&report),
        }
    }
}

fn state_span(state: StateName) -> Span {
    span(STRONG, format!("{:<12} ", state))
}

/// ` 12.3` with one decimal, minutes once they matter.
fn seconds_column(elapsed: Duration) -> String {
    let s = elapsed.as_secs_f64();
    if s < 600.0 {
        format!("{s:.1}s")
    } else {
        whole(elapsed.as_secs())
    }
}

/// `  (next: readiness deadline in 9m40s)`.
fn until(doing: &Doing, now: Duration) -> String {
    let name: &str = match doing.state {
        StateName::Ready => "readiness",
        StateName::Fenced => "fence",
        StateName::RolledBack => "helm",
        StateName::Validated | StateName::Confirmed => "check",
        StateName::Unfenced | StateName::Held => "traffic",
        other => &other.to_string(),
    };
    match doing.deadline {
        Some(deadline) if deadline > now => {
            let left = (deadline - now).as_secs_f64().ceil() as u64;
            format!("  (next: {name} deadline in {})", whole(left))
        }
        Some(_) => format!("  (next: {name} deadline now)"),
        None => String::new(),
    }
}

fn live_line(now: Duration, doing: &Doing, columns: usize) -> String {
    let head = format!("[{:>6}] … {:<12} ", seconds_column(now), doing.state);
    let tail = until(doing, now);
    // The last column stays free: a full line would wrap and could not be erased.
    let room = columns.saturating_sub(head.chars().count() + tail.chars().count() + 1);
    let text = sanitize::cut(&sanitize::line(&doing.text), room.max(10));
    sanitize::cut(&format!("{head}{text}{tail}"), columns.saturating_sub(1))
}

#[cfg(test)]
mod tests;
