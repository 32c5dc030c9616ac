use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vllm_rollback_engine::check::Outcome;

use super::*;
use crate::fixtures;

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn raw(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
    fn text(&self) -> String {
        anstream::adapter::strip_str(&self.raw()).to_string()
    }
}

fn terminal(style: Style) -> (Terminal, Screen, Arc<AtomicU64>) {
    let screen = Screen::default();
    let clock = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&clock);
    let elapsed: Elapsed = Box::new(move || Duration::from_millis(read.load(Ordering::SeqCst)));
    (
        Terminal::new(Box::new(screen.clone()), elapsed, Glyphs::Unicode, style),
        screen,
        clock,
    )
}

fn entering_ready() -> Event {
    Event::Entering {
        state: StateName::Ready,
        doing: "waiting for 2 pods of revision 4".into(),
        deadline_seconds: Some(580),
    }
}

#[test]
fn a_state_shows_what_is_done_the_next_deadline_and_then_its_proof() {
    let (terminal, screen, clock) = terminal(Style::Lines);
    clock.store(12_300, Ordering::SeqCst);
    terminal.event(entering_ready());
    clock.store(20_000, Ordering::SeqCst);
    terminal.event(Event::Reached {
        state: StateName::Ready,
        seconds: 7.7,
        evidence: vec!["Deployment/llama: generation 4 observed, 2/2 available".into()],
    });
    assert_eq!(
        screen.text(),
        "[ 12.3s] … ready        waiting for 2 pods of revision 4  (next: readiness deadline in 9m40s)\n\
         [ 20.0s] ✔ ready        7.70s\n            Deployment/llama: generation 4 observed, 2/2 available\n"
    );
}

#[test]
fn a_cause_is_named_with_its_evidence_and_fix() {
    let (terminal, screen, _) = terminal(Style::Lines);
    terminal.event(Event::CauseSeen {
        cause: fixtures::cause(),
    });
    assert_eq!(
        screen.text(),
        "[  0.0s] ✖ Pod/llama-1 container vllm: exits again and again, exit code 1\n\
         \x20           seen: ValueError: no such quantisation\n\
         \x20           fix:  kubectl logs llama-1 -n prod --previous\n"
    );
}

#[test]
fn a_failed_check_shows_what_it_saw_and_a_passed_one_only_its_numbers() {
    let (terminal, screen, _) = terminal(Style::Lines);
    terminal.event(Event::Checked {
        verdict: fixtures::verdict(Outcome::Pass),
    });
    terminal.event(Event::Checked {
        verdict: fixtures::verdict(Outcome::Fail),
    });
    assert_eq!(
        screen.text(),
        "[  0.0s] ✔ completion       answered in time  latency 412 ms (limit 3000 ms)  pod llama-1\n\
         [  0.0s] ✖ completion       fail: answered in time  latency 412 ms (limit 3000 ms)  pod llama-1\n\
         \x20           seen: HTTP 200, 14 tokens\n            log:  asking for a completion\n"
    );
}

#[test]
fn a_silent_log_gets_a_heartbeat_after_thirty_seconds() {
    let (terminal, screen, clock) = terminal(Style::Lines);
    terminal.event(entering_ready());
    clock.store(29_000, Ordering::SeqCst);
    terminal.tick();
    assert_eq!(screen.text().lines().count(), 1);
    clock.store(31_000, Ordering::SeqCst);
    terminal.tick();
    assert!(
        screen
            .text()
            .ends_with("[ 31.0s] … still waiting for 2 pods of revision 4  (next: readiness deadline in 9m09s)\n")
    );
}

#[test]
fn a_log_is_not_flooded_with_progress() {
    let (terminal, screen, clock) = terminal(Style::Lines);
    terminal.event(entering_ready());
    for second in 1..=10 {
        clock.store(second * 1000, Ordering::SeqCst);
        terminal.event(Event::Progress {
            text: format!("loading weights: {second} of 10"),
        });
    }
    assert_eq!(screen.text().matches("loading weights").count(), 2);
}

#[test]
fn a_live_line_is_overwritten_and_never_wraps() {
    let (terminal, screen, _) = terminal(Style::Live { columns: 60 });
    terminal.event(entering_ready());
    terminal.event(Event::Progress {
        text: "loading weights ".repeat(20),
    });
    let raw = screen.raw();
    let live = raw.rsplit("\r\u{1b}[2K").next().unwrap();
    assert!(!live.contains('\n'));
    assert_eq!(live.chars().count(), 59, "{live}");
    terminal.clear();
    assert!(screen.raw().ends_with("\r\u{1b}[2K"));
}
