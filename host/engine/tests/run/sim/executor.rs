//! Polls runs by hand, so that a process can die and two of them can take turns at every port call.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::Client;

/// More polls than any run needs: a run that waits for nothing is a defect.
const PATIENCE: usize = 100_000;

/// Runs to the end; nothing when the client's process died on the way.
pub(crate) fn finish<T>(client: &Client, run: impl Future<Output = T>) -> Option<T> {
    let mut run = pin!(run);
    for _ in 0..PATIENCE {
        match poll(run.as_mut()) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending if client.is_dead() => return None,
            Poll::Pending => {}
        }
    }
    panic!("the run waits for ever");
}

/// Runs two to their ends, taking turns as `turns` says and fairly afterwards.
pub(crate) fn interleave<T>(a: impl Future<Output = T>, b: impl Future<Output = T>, turns: &[bool]) -> (T, T) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut ended_a, mut ended_b) = (None, None);
    for turn in 0..PATIENCE {
        let is_a = turns.get(turn).copied().unwrap_or(turn % 2 == 0);
        if is_a && ended_a.is_none() {
            ended_a = ready(poll(a.as_mut()));
        } else if ended_b.is_none() {
            ended_b = ready(poll(b.as_mut()));
        }
        if ended_a.is_some() && ended_b.is_some() {
            break;
        }
    }
    ended_a.zip(ended_b).expect("a run waits for ever")
}

/// Lets others go first, once.
pub(crate) async fn give_way() {
    let mut gave_way = false;
    std::future::poll_fn(|cx| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn poll<T>(run: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    run.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
