//! Counters of what one run has used of its calls and bytes.

use crate::limits::Limits;

/// The run called imported functions more often than it may. Ends the run as a trap: a value could be ignored.
#[derive(Debug, thiserror::Error)]
#[error("it made more than {0} calls to the host")]
pub(crate) struct TooManyCalls(u64);

/// Use of one run, held against its limits.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    calls: u64,
    requests: u32,
    sent: usize,
    received: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            calls: 0,
            requests: 0,
            sent: 0,
            received: 0,
        }
    }

    /// Counts a call of an imported function.
    pub(crate) fn call(&mut self) -> Result<(), TooManyCalls> {
        self.calls += 1;
        if self.calls > self.limits.calls {
            Err(TooManyCalls(self.limits.calls))
        } else {
            Ok(())
        }
    }

    /// Counts a request with a body of this size; how many bytes its answer may have, or why it may not be made.
    pub(crate) fn request(&mut self, body: usize) -> Result<usize, String> {
        let limits = &self.limits;
        let may = |what: String| Err(format!("the check may {what} in one run"));
        if self.requests >= limits.http_requests {
            return may(format!("make {} requests", limits.http_requests));
        }
        if self.sent.saturating_add(body) > limits.http_sent {
            return may(format!("send {} bytes", limits.http_sent));
        }
        let room = limits.http_received.saturating_sub(self.received);
        if room == 0 {
            return may(format!("read {} bytes", limits.http_received));
        }
        self.requests += 1;
        self.sent += body;
        Ok(room.min(limits.http_response))
    }

    /// Counts an answer.
    pub(crate) fn received(&mut self, body: usize) {
        self.received = self.received.saturating_add(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let limits = Limits {
            calls: 2,
            http_requests: 3,
            http_sent: 10,
            http_response: 8,
            http_received: 12,
            ..Limits::default()
        };
        Budget::new(&limits)
    }

    #[test]
    fn calls_are_counted_and_then_refused() {
        let mut budget = budget();
        assert!(budget.call().is_ok() && budget.call().is_ok());
        assert_eq!(
            budget.call().unwrap_err().to_string(),
            "it made more than 2 calls to the host"
        );
    }

    #[test]
    fn an_answer_may_fill_what_is_left_of_the_run() {
        let mut budget = budget();
        assert_eq!(budget.request(0), Ok(8));
        budget.received(8);
        assert_eq!(budget.request(0), Ok(4));
        budget.received(4);
        assert!(budget.request(0).unwrap_err().contains("read 12 bytes"));
    }

    #[test]
    fn requests_and_sent_bytes_are_bounded() {
        let mut budget = budget();
        assert!(budget.request(11).unwrap_err().contains("send 10 bytes"));
        for _ in 0..3 {
            assert!(budget.request(1).is_ok());
        }
        assert!(budget.request(1).unwrap_err().contains("3 requests"));
    }
}
