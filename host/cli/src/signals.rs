//! Ctrl-C and its like. The first asks the run to stop at the next safe point; the second leaves at once.

use async_trait::async_trait;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Interrupt;
use vllm_rollback_engine::report::ExitCode;

/// Message after the first signal.
pub(crate) const STOPPING: &str = "stopping after this step; press again to leave at once";

/// Signals that asked this process to stop.
#[derive(Debug, Clone)]
pub(crate) struct Signals(watch::Receiver<bool>);

impl Signals {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on. `on_first` tells the operator.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub(crate) fn listen(on_first: impl Fn(&str) + Send + Sync + 'static) -> Result<Self, Failure> {
        let open = |kind: SignalKind| {
            signal(kind).map_err(|error| Failure::internal("cannot listen for signals").caused_by(&error))
        };
        let mut signals = [
            open(SignalKind::interrupt())?,
            open(SignalKind::terminate())?,
            open(SignalKind::hangup())?,
        ];
        let (asked, watched) = watch::channel(false);
        tokio::spawn(async move {
            any(&mut signals).await;
            asked.send_replace(true);
            on_first(STOPPING);
            any(&mut signals).await;
            // The journal already holds the intent of the step that is cut off here.
            std::process::exit(ExitCode::Unknown.number());
        });
        Ok(Self(watched))
    }
}

/// Waits for `work`, which changes nothing, unless a stop is asked for first.
///
/// # Errors
/// Those of `work`; `Refused` when a stop was asked for.
pub(crate) async fn or_interrupted<T>(
    interrupt: &dyn Interrupt,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = interrupt.requested() => Err(Failure::refused("interrupted before anything was changed")),
    }
}

/// Waits for the next of three signals.
async fn any([a, b, c]: &mut [Signal; 3]) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
        _ = c.recv() => {}
    }
}

#[async_trait]
impl Interrupt for Signals {
    async fn requested(&self) {
        let mut watched = self.0.clone();
        if watched.wait_for(|asked| *asked).await.is_err() {
            // The listener is gone, so nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }

    fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Nobody asks: verbs that change nothing end at once when a signal comes, as the system does it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Never;

#[async_trait]
impl Interrupt for Never {
    async fn requested(&self) {
        std::future::pending::<()>().await;
    }

    fn is_requested(&self) -> bool {
        false
    }
}
