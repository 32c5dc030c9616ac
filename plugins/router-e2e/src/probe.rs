//! Completions through the router, tried again while it may not have noticed the change yet.

use std::time::Duration;

use vllm_rollback_plugin::openai::{self, Form, Prompt, Refusal};
use vllm_rollback_plugin::prelude::*;
use vllm_rollback_plugin::text::excerpt;

use crate::Parameters;

/// Pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The pause grows no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the probes gave.
pub(crate) struct Probes {
    /// The answers, all 200.
    pub(crate) answers: Vec<Response>,
    /// One line per attempt, failed ones too.
    pub(crate) attempts: Vec<String>,
}

/// How one attempt ended, if not well.
enum Miss {
    /// May be over when the router has noticed the change.
    Retry(Verdict),
    /// Will not change by waiting.
    Final(Verdict),
}

/// Sends probes until enough were answered or the router had its time.
pub(crate) fn run(world: &impl World, model: &str, parameters: &Parameters) -> Result<Probes, Verdict> {
    let started = world.now();
    let deadline = started + Duration::from_millis(parameters.visibility_ms.into());
    let mut probes = Probes {
        answers: Vec::new(),
        attempts: Vec::new(),
    };
    let (mut form, mut pause) = (Form::Completion, FIRST_PAUSE);
    while probes.answers.len() < parameters.probes.max(1) as usize {
        let at = (world.now() - started).as_secs_f64();
        match once(world, model, &mut form, parameters) {
            Ok(response) => {
                let said = form
                    .answer(&response.body)
                    .map(|answer| answer.text)
                    .unwrap_or_default();
                probes.attempts.push(format!(
                    "+{at:.1} s: 200 in {:.0} ms, {:?}",
                    response.total_ms,
                    excerpt(&said, 80)
                ));
                probes.answers.push(response);
            }
            Err(Miss::Retry(verdict)) if world.now() < deadline => {
                probes.attempts.push(format!("+{at:.1} s: {}", verdict.summary));
                world.sleep(pause.min(deadline.saturating_sub(world.now())));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(Miss::Retry(verdict) | Miss::Final(verdict)) => {
                let attempts = probes.attempts.len() + 1;
                let summary = match attempts {
                    1 => verdict.summary.clone(),
                    _ => format!("{} (after {attempts} attempts in {at:.1} s)", verdict.summary),
                };
                return Err(Verdict { summary, ..verdict }.evidence_lines(&probes.attempts));
            }
        }
    }
    Ok(probes)
}

fn once(world: &impl World, model: &str, form: &mut Form, parameters: &Parameters) -> Result<Response, Miss> {
    let prompt = Prompt {
        model,
        text: &parameters.prompt,
        max_tokens: parameters.max_tokens,
        temperature: 0.0,
    };
    loop {
        let action = format!("POST {} at the router", form.path());
        let request = form.request(Target::Router, &prompt).timeout_ms(parameters.timeout_ms);
        let response = world.send(request).map_err(|error| match error.is_no_answer() {
            true => Miss::Retry(error.fails(&action)),
            false => Miss::Final(error.fails(&action)),
        })?;
        if response.status == 200 {
            let answer = form.answer(&response.body);
            return match answer {
                Ok(answer) if answer.choices > 0 && !answer.text.trim().is_empty() => Ok(response),
                Ok(_) => Err(Miss::Retry(
                    Verdict::fail("the router answered 200 without any text").evidence(response.text()),
                )),
                Err(why) => Err(Miss::Retry(Verdict::fail(format!(
                    "the router answered 200, but {why}"
                )))),
            };
        }
        let said = format!("{action} answered {}", openai::refusal(&response));
        match Refusal::from_response(&response) {
            Refusal::NoSuchForm if *form == Form::Completion && !maybe_later(&response) => *form = Form::Chat,
            refusal => return Err(miss(refusal, &said)),
        }
    }
}

/// A bare 404 of a router can also mean that it has no route for the model yet; only a server that says that it lacks
/// the path, or that the model cannot do it, is asked in another form.
fn maybe_later(response: &Response) -> bool {
    let message = openai::error_message(&response.body);
    !(message == "Not Found" || message.contains("does not support"))
}

fn miss(refusal: Refusal, said: &str) -> Miss {
    match refusal {
        Refusal::Key => Miss::Final(Verdict::inconclusive(format!(
            "the router refuses the caller's key, which says nothing of the model: {said}"
        ))),
        Refusal::Budget => Miss::Final(Verdict::inconclusive(format!(
            "the caller's budget is used up, which says nothing of the model: {said}"
        ))),
        Refusal::TooOften => Miss::Retry(Verdict::inconclusive(format!(
            "the router limits the caller, which says nothing of the model: {said}"
        ))),
        Refusal::Rejected => Miss::Final(Verdict::fail(said)),
        Refusal::NoSuchModel | Refusal::NoSuchForm | Refusal::Server => Miss::Retry(Verdict::fail(said)),
    }
}
