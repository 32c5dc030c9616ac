//! A user who keeps asking while the run goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::client::{Answer, ModelClient};

/// Between two questions.
const PERIOD: Duration = Duration::from_millis(50);

/// Answers with the moment each question was asked.
#[derive(Debug)]
pub(crate) struct Asking {
    started: Instant,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Instant, Answer)>>,
}

impl Asking {
    /// Starts asking.
    pub(crate) fn start(client: ModelClient, model: &'static str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                answers.push((asked, client.complete(model)));
                std::thread::sleep(PERIOD);
            }
            answers
        });
        Self {
            started: Instant::now(),
            ended,
            thread,
        }
    }

    /// Stops asking; an answer to a question that was asked while the report says the model was fenced.
    pub(crate) fn answer_while_fenced(self, report: &RunReport) -> Answer {
        self.ended.store(true, Ordering::Relaxed);
        let answers = self.thread.join().expect("the user keeps asking");
        let reached = |name| {
            report
                .states
                .iter()
                .find(|state| state.name == name)
                .map(|state| state.at_seconds)
        };
        let from = reached(StateName::Fenced).unwrap_or(f64::INFINITY);
        // Unfenced is reported once traffic flows again; the gate opened somewhere after the checks passed.
        let to = reached(StateName::Validated).unwrap_or(f64::INFINITY);
        let asked_at = |asked: &Instant| asked.duration_since(self.started).as_secs_f64();
        answers
            .into_iter()
            .find(|(asked, _)| (from..to).contains(&asked_at(asked)))
            .map_or_else(
                || Answer {
                    status: None,
                    text: "not asked in time".to_owned(),
                },
                |(_, answer)| answer,
            )
    }
}
