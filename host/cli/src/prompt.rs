//! Asking the operator, on the terminal itself and never on stdin.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Interrupt;

/// Asks a question that only `y` or `yes` affirms.
///
/// # Errors
/// Refused, when there is no terminal (`with_yes` is what to type then), when the answer is anything else, and when
/// the operator interrupts.
pub(crate) async fn confirm(question: &str, with_yes: &str, interrupt: &dyn Interrupt) -> Result<(), Failure> {
    let mut terminal = open().ok_or_else(|| {
        Failure::refused("cannot ask for confirmation: there is no terminal")
            .next(format!("say yes in advance: {with_yes}"))
    })?;
    let question = question.to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        write!(terminal, "{question} [y/N] ")?;
        terminal.flush()?;
        let mut answer = String::new();
        BufReader::new(terminal).read_line(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = tokio::select! {
        answer = answer => answer,
        () = interrupt.requested() => {
            return Err(Failure::refused("interrupted before anything was changed")
                .next(format!("to go on without being asked: {with_yes}")));
        }
    };
    match answer {
        Ok(Ok(text)) if is_yes(&text) => Ok(()),
        Ok(Ok(_)) => {
            Err(Failure::refused("not confirmed").next(format!("answer y, or say yes in advance: {with_yes}")))
        }
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::refused("the terminal cannot be read").caused_by(error)
}

/// The controlling terminal, if a person sits at it: a pipeline may have one that nobody looks at.
fn open() -> Option<File> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    File::options().read(true).write(true).open("/dev/tty").ok()
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        for text in ["", "\n", "n", "yess", "ja", "1"] {
            assert!(!is_yes(text), "{text}");
        }
    }
}
