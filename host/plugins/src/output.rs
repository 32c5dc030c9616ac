//! What a run writes: log lines, stdout and stderr. All bounded; none can make the component fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::untrusted;

/// Longest log line, characters.
const LINE: usize = 500;

/// Bytes that a stream takes in one write.
const PERMIT: usize = 64 * 1024;

/// The check's log lines.
#[derive(Debug)]
pub(crate) struct LogLines {
    room: usize,
    lines: Vec<String>,
    dropped: u64,
}

impl LogLines {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            room: bytes,
            lines: Vec::new(),
            dropped: 0,
        }
    }

    /// Keeps a line, or counts it when there is no room.
    pub(crate) fn write(&mut self, level: &str, message: &str) {
        let line = format!("{level}: {}", untrusted::start(message, LINE));
        match self.room.checked_sub(line.len()) {
            Some(room) => {
                self.room = room;
                self.lines.push(line);
            }
            None => {
                self.room = 0;
                self.dropped += 1;
            }
        }
    }

    /// The lines, and one that tells how many are missing.
    pub(crate) fn into_lines(mut self) -> Vec<String> {
        if self.dropped > 0 {
            self.lines.push(format!("({} more lines were dropped)", self.dropped));
        }
        self.lines
    }
}

/// Takes a stream of any length and keeps its start and its end: the end is where a panic tells why. The rest is swallowed,
/// because wasmtime's own `MemoryOutputPipe` fails when it is full, and then the component panics for having printed.
#[derive(Debug, Clone)]
pub(crate) struct BoundedOutput {
    kept: Arc<Mutex<HeadAndTail>>,
}

#[derive(Debug)]
struct HeadAndTail {
    each: usize,
    start: Vec<u8>,
    end: VecDeque<u8>,
    swallowed: bool,
}

impl BoundedOutput {
    pub(crate) fn new(bytes: usize) -> Self {
        let kept = HeadAndTail {
            each: bytes / 2,
            start: Vec::new(),
            end: VecDeque::new(),
            swallowed: false,
        };
        Self {
            kept: Arc::new(Mutex::new(kept)),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, rest) = bytes.split_at(bytes.len().min(kept.each - kept.start.len()));
        kept.start.extend_from_slice(first);
        let last = &rest[rest.len().saturating_sub(kept.each)..];
        let over = (kept.end.len() + last.len()).saturating_sub(kept.each);
        kept.swallowed |= over > 0 || last.len() < rest.len();
        kept.end.drain(..over);
        kept.end.extend(last);
    }

    /// The kept bytes as text.
    pub(crate) fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let end: Vec<u8> = kept.end.iter().copied().collect();
        let gap = if kept.swallowed { "\n…\n" } else { "" };
        format!(
            "{}{gap}{}",
            String::from_utf8_lossy(&kept.start),
            String::from_utf8_lossy(&end)
        )
    }
}

impl IsTerminal for BoundedOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for BoundedOutput {
    /// For other previews of WASI than the one that is linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for BoundedOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait::async_trait]
impl Pollable for BoundedOutput {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_log_lines_is_bounded_and_says_so() {
        let mut log = LogLines::new(100);
        for _ in 0..1000 {
            log.write("info", "a line of the check");
        }
        let lines = log.into_lines();
        assert_eq!(lines[0], "info: a line of the check");
        assert_eq!(lines.last().unwrap(), "(996 more lines were dropped)");
    }

    #[test]
    fn a_huge_line_is_cut() {
        let mut log = LogLines::new(10_000);
        log.write("warn", &"x".repeat(20_000_000));
        assert!(log.into_lines()[0].chars().count() < LINE + 10);
    }

    #[test]
    fn start_and_end_of_a_flood_are_kept() {
        let stream = BoundedOutput::new(20);
        stream.take(b"start ");
        for _ in 0..1000 {
            stream.take(b"middle middle ");
        }
        stream.take(b"the end");
        let text = stream.text();
        assert!(
            text.starts_with("start ") && text.ends_with("the end") && text.contains("\n…\n"),
            "{text}"
        );
        assert!(text.len() < 40);
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let stream = BoundedOutput::new(20);
        stream.take(b"0123456789");
        stream.take(b"abcdef");
        assert_eq!(stream.text(), "0123456789abcdef");
    }
}
