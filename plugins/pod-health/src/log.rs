//! Fatal errors in the log of a server that still looks healthy.
//!
//! The words are vLLM's: `vllm/v1/engine/core.py`, `core_client.py` and `exceptions.py` of 0.33.0, and PyTorch's for memory.

/// A line that tells of a fatal error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fatal<'a> {
    /// What it is: `CUDA out of memory`.
    pub(crate) kind: &'static str,
    /// The line.
    pub(crate) line: &'a str,
}

/// Words that all have to be in one line, in lower case, and what they mean.
const SIGNS: [(&[&str], &str); 7] = [
    (&["cuda out of memory"], "CUDA out of memory"),
    (&["cuda error:"], "a CUDA error"),
    (&["enginedeaderror"], "a dead engine"),
    (&["engine core", "died"], "a dead engine"),
    (&["enginecore encountered a fatal error"], "a dead engine"),
    (&["engine core initialization failed"], "an engine that did not start"),
    (&["enginecore failed to start"], "an engine that did not start"),
];

const TRACEBACK: &str = "Traceback (most recent call last):";

/// The last line that tells of a fatal error, or the error of a traceback that the log ends in.
pub(crate) fn fatal_line(log: &str) -> Option<Fatal<'_>> {
    let sign = log.lines().rev().find_map(|line| {
        let lower = line.to_lowercase();
        let (_, kind) = SIGNS
            .iter()
            .find(|(words, _)| words.iter().all(|word| lower.contains(word)))?;
        Some(Fatal {
            kind,
            line: line.trim(),
        })
    });
    sign.or_else(|| final_traceback(log))
}

/// A traceback after which the server logged no further work.
fn final_traceback(log: &str) -> Option<Fatal<'_>> {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let start = lines.iter().rposition(|line| line.contains(TRACEBACK))?;
    let tail = &lines[start + 1..];
    if tail.iter().any(|line| is_work(line)) {
        return None;
    }
    let line = tail.last().copied().unwrap_or(lines[start]);
    Some(Fatal {
        kind: "a traceback as its last words",
        line: line.trim(),
    })
}

/// A log line of a server that goes on: `INFO 11-24 10:00:00 …`, `INFO:     127.0.0.1 …`, `(APIServer pid=1) INFO …`.
fn is_work(line: &str) -> bool {
    let line = match line.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
        Some((process, rest)) if process.contains("pid=") => rest,
        _ => line,
    };
    line.starts_with("INFO") || line.starts_with("DEBUG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_log_has_no_fatal_line() {
        let log = "INFO 11-24 10:00:00 [api_server.py:1] Starting vLLM\nWARNING 11-24 slow tokenizer\n\
                   INFO:     127.0.0.1:5 - \"GET /health HTTP/1.1\" 200 OK\n";
        assert_eq!(fatal_line(log), None);
        assert_eq!(fatal_line(""), None);
    }

    #[test]
    fn each_sign_is_known_in_a_line_as_vllm_writes_it() {
        for (line, kind) in [
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.",
                "CUDA out of memory",
            ),
            (
                "RuntimeError: CUDA error: an illegal memory access was encountered",
                "a CUDA error",
            ),
            (
                "(APIServer pid=7) ERROR [async_llm.py:9] vllm.v1.engine.exceptions.EngineDeadError: EngineCore …",
                "a dead engine",
            ),
            (
                "ERROR [core_client.py:5] Engine core proc EngineCore_DP0 died unexpectedly, shutting down client.",
                "a dead engine",
            ),
            (
                "ERROR [core.py:7] EngineCore encountered a fatal error.",
                "a dead engine",
            ),
            (
                "RuntimeError: Engine core initialization failed. See root cause above.",
                "an engine that did not start",
            ),
            (
                "(EngineCore_DP0 pid=3) ERROR [core.py:6] EngineCore failed to start.",
                "an engine that did not start",
            ),
        ] {
            assert_eq!(
                fatal_line(&format!("INFO a\n{line}\nINFO b")),
                Some(Fatal { kind, line })
            );
        }
    }

    #[test]
    fn a_traceback_at_the_end_is_shown_by_its_error() {
        let log =
            "INFO a\nTraceback (most recent call last):\n  File \"x.py\", line 1, in f\nValueError: no such path\n\n";
        let fatal = Fatal {
            kind: "a traceback as its last words",
            line: "ValueError: no such path",
        };
        assert_eq!(fatal_line(log), Some(fatal));
    }

    #[test]
    fn a_traceback_that_the_server_survived_is_none() {
        let log = "Traceback (most recent call last):\n  File \"x.py\"\nValueError: bad request\n\
                   (APIServer pid=1) INFO:     10.0.0.1:1 - \"POST /v1/completions HTTP/1.1\" 400 Bad Request\n";
        assert_eq!(fatal_line(log), None);
    }

    #[test]
    fn a_prefixed_traceback_counts_like_a_bare_one() {
        let log = "(EngineCore pid=3) ERROR 11-24 [core.py:7] Traceback (most recent call last):\n\
                   (EngineCore pid=3) ERROR 11-24 [core.py:7]   File \"y.py\"\n\
                   (EngineCore pid=3) ERROR 11-24 [core.py:7] KeyError: 'w'\n";
        assert_eq!(
            fatal_line(log).unwrap().line,
            "(EngineCore pid=3) ERROR 11-24 [core.py:7] KeyError: 'w'"
        );
    }
}
