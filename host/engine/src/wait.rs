//! Waits that end when the operator asks.

use std::future::Future;
use std::pin::pin;

use futures::future::{Either, select};

use crate::ports::Interrupt;
use crate::step_error::StepError;

/// Waits for `work`, unless the operator asks to stop first; then `work` is dropped. Work that is done wins.
/// For waits only: a step that changes something is never dropped halfway.
pub(crate) async fn or_interrupted<T>(
    interrupt: &dyn Interrupt,
    work: impl Future<Output = T>,
) -> Result<T, StepError> {
    let work = pin!(work);
    match select(work, interrupt.requested()).await {
        Either::Left((value, _)) => Ok(value),
        Either::Right(((), _)) => Err(StepError::Interrupted),
    }
}
