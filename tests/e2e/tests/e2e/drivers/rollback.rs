//! A whole rollback behind each place, with a client at its door all the time.

use std::time::{Duration, Instant};

use super::TrafficBackend;
use super::cases::{assert_served, rolled_back};
use super::door::{Clients, Knock};
use crate::fixture::{RELEASE, SERVICE};

/// The runbook's script waits so long before it looks.
const SCRIPT_SLEEP: Duration = Duration::from_secs(10);

/// The tool takes revision 2 back to revision 1. Seconds without an answer.
///
/// Once the model is out of traffic, revision 2 never answers again; nobody answers until revision 1 was validated.
pub(super) fn ours<P: TrafficBackend>(place: &P) -> f64 {
    assert_served(place);
    let clients = Clients::at(place.doors());
    rolled_back(place, 1, &[]);
    assert_served(place);
    outage(&clients.call_back())
}

/// The runbook's own steps on its own Helm, to revision 2 and after the tool: out, Helm, a sleep, a second wait, in. Seconds
/// without an answer.
pub(super) fn script<P: TrafficBackend>(place: &P) -> f64 {
    let model = place.model();
    place.set(P::IN);
    assert_served(place);
    let clients = Clients::at(place.doors());
    place.set(P::OUT);
    let rollback = ["rollback", RELEASE, "2", "--wait", "--timeout", "120s"];
    model.helm().run(&rollback);
    std::thread::sleep(SCRIPT_SLEEP);
    let deployment = format!("deployment/{SERVICE}");
    let namespace = &model.namespace;
    let status = [
        "-n",
        &namespace.name,
        "rollout",
        "status",
        &deployment,
        "--timeout=120s",
    ];
    namespace.kubectl().run(&status);
    place.set(P::IN);
    assert_served(place);
    outage(&clients.call_back())
}

/// The longest time without an answer at any door. After one without, only the other revision answers.
pub(super) fn outage(clients: &[Vec<Knock>]) -> f64 {
    let each = clients.iter().map(|knocks| {
        let served: Vec<&Knock> = knocks.iter().filter(|knock| knock.text.is_some()).collect();
        let (first, last) = (
            served.first().expect("served before"),
            served.last().expect("served after"),
        );
        assert_ne!(first.text, last.text, "the same revision answers as before");
        let turn = served
            .iter()
            .position(|knock| knock.text == last.text)
            .expect("the last one has its own text");
        assert!(
            served[turn..].iter().all(|knock| knock.text == last.text),
            "the bad revision answered after the good one"
        );
        let gap = served[turn].answered - served[turn - 1].answered;
        gap.as_secs_f64()
    });
    each.fold(0.0, f64::max)
}

#[test]
fn an_answer_of_the_bad_revision_after_the_good_one_is_seen() {
    let start = Instant::now();
    let knock = |at: u64, text: &str| Knock {
        asked: start + Duration::from_secs(at),
        answered: start + Duration::from_secs(at),
        text: (!text.is_empty()).then(|| text.to_owned()),
    };
    let good = vec![knock(0, "2"), knock(1, ""), knock(4, "1"), knock(5, "1")];
    assert!((outage(&[good]) - 4.0).abs() < 1e-9);
    let bad = vec![knock(0, "2"), knock(1, "1"), knock(2, "2"), knock(3, "1")];
    assert!(std::panic::catch_unwind(|| outage(&[bad])).is_err());
}
