//! Asking for text and collecting what came back.

use vllm_rollback_plugin::openai::{self, Answer, Form, Model, Prompt, Refusal};
use vllm_rollback_plugin::prelude::*;
use vllm_rollback_plugin::text::excerpt;

use crate::{FORMS, Parameters, judge};

/// Characters of an answer that are shown.
const SHOWN: usize = 100;
/// Milliseconds for the question whether a silent server still calls itself healthy.
const HEALTH_TIMEOUT_MS: u32 = 2_000;

/// The answers of one server so far.
pub(crate) struct Answers<'a, W> {
    world: &'a W,
    models: &'a [Model],
    model: &'a Model,
    parameters: &'a Parameters,
    form: Form,
    slowest_ms: f64,
    tokens: u64,
    /// What was seen, in the order it was seen.
    seen: Verdict,
}

impl<'a, W: World> Answers<'a, W> {
    pub(crate) fn new(world: &'a W, models: &'a [Model], model: &'a Model, parameters: &'a Parameters) -> Self {
        let seen = Verdict::pass("");
        Self {
            world,
            models,
            model,
            parameters,
            form: FORMS[0],
            slowest_ms: 0.0,
            tokens: 0,
            seen,
        }
    }

    /// Tokens which the server says it generated.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Asks one question; an answer that is not as it should be ends the check.
    pub(crate) fn ask(&mut self, text: &str, temperature: f64) -> Result<(), Verdict> {
        let answer = self.once(text, temperature)?;
        if judge::ended_at_once(&answer) {
            // Some models end a bare prompt at once now and then: one more try, worded so that there is more to say.
            let again = format!("{text} Please answer in a full sentence.");
            let second = self.once(&again, temperature)?;
            return judge::words(&second).map_err(|problem| self.failed(&problem));
        }
        judge::words(&answer).map_err(|problem| self.failed(&problem))
    }

    /// The verdict when all answers were good.
    pub(crate) fn verdict(&self) -> Verdict {
        let summary = format!(
            "{} answered sanely, slowest in {:.0} ms",
            self.model.id, self.slowest_ms
        );
        Verdict {
            summary,
            ..self.seen.clone()
        }
    }

    fn failed(&self, problem: &str) -> Verdict {
        Verdict {
            measurements: self.seen.measurements.clone(),
            ..Verdict::fail(problem)
        }
        .evidence_lines(&self.seen.evidence)
    }

    /// One exchange that ended in a 200 of the right shape, model and speed.
    fn once(&mut self, text: &str, temperature: f64) -> Result<Answer, Verdict> {
        let response = self.exchange(text, temperature)?;
        let answer = self.form.answer(&response.body).map_err(|problem| {
            self.failed(&problem)
                .evidence(format!("POST {}: {}", self.form.path(), response.text()))
        })?;
        self.note(text, &response, &answer);
        judge::shape(&answer, self.model, self.models).map_err(|problem| self.failed(&problem))?;
        let limit = self.parameters.max_latency_ms;
        if response.total_ms > f64::from(limit) {
            return Err(self.failed(&format!(
                "the answer took {:.0} ms, the limit is {limit} ms",
                response.total_ms
            )));
        }
        Ok(answer)
    }

    /// Sends the question, in the other form where the server does not have the first.
    fn exchange(&mut self, text: &str, temperature: f64) -> Result<Response, Verdict> {
        let prompt = Prompt {
            model: &self.model.id,
            text,
            max_tokens: self.parameters.max_tokens,
            temperature,
        };
        loop {
            let path = self.form.path();
            let request = self
                .form
                .request(Target::Pod, &prompt)
                .timeout_ms(self.parameters.timeout_ms);
            let response = self.world.send(request).map_err(|error| self.unanswered(&error))?;
            if response.status == 200 {
                return Ok(response);
            }
            let said = format!("POST {path} answered {}", openai::refusal(&response));
            match Refusal::from_response(&response) {
                Refusal::NoSuchForm if self.form == Form::Completion => {
                    self.seen = self.seen.clone().evidence(&said);
                    self.form = Form::Chat;
                }
                Refusal::Key => {
                    return Err(Verdict::inconclusive(format!("the server asks for an API key: {said}")));
                }
                Refusal::Budget | Refusal::TooOften => return Err(Verdict::inconclusive(said)),
                _ => return Err(self.failed(&said)),
            }
        }
    }

    /// No answer: says whether the server still calls itself healthy, which is how a hung engine looks.
    fn unanswered(&self, error: &CallError) -> Verdict {
        let action = format!("POST {}", self.form.path());
        if !matches!(error, CallError::Timeout(_)) {
            let verdict = error.fails(&action);
            return Verdict {
                evidence: self.seen.evidence.clone(),
                ..verdict
            };
        }
        let health = self
            .world
            .send(Request::get(Target::Pod, "/health").timeout_ms(HEALTH_TIMEOUT_MS));
        let said = match &health {
            Ok(health) if health.status == 200 => "answered /health".to_owned(),
            Ok(health) => format!("answered /health with {}", health.status),
            Err(error) => error.said("GET /health"),
        };
        let seconds = f64::from(self.parameters.timeout_ms) / 1_000.0;
        self.failed(&format!("{said} but no completion within {seconds} s"))
            .evidence(error.said(&action))
    }

    fn note(&mut self, text: &str, response: &Response, answer: &Answer) {
        self.slowest_ms = self.slowest_ms.max(response.total_ms);
        let tokens = answer.completion_tokens.unwrap_or_default();
        self.tokens += tokens;
        let number = self.seen.measurements.len() + 1;
        let latency = Measurement::new(&format!("completion-{number}"), response.total_ms, "ms")
            .held_against(self.parameters.max_latency_ms.into());
        let line = format!(
            "{:?} → {:?} ({}, {tokens} tokens, {:.0} ms, {})",
            excerpt(text, SHOWN / 2),
            excerpt(&answer.text, SHOWN),
            answer.finish_reason.as_deref().unwrap_or("no finish reason"),
            response.total_ms,
            answer.model.as_deref().unwrap_or("no model"),
        );
        self.seen = self.seen.clone().evidence(line).measured(latency);
    }
}
