//! What every driver must do.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use vllm_rollback_harness::relay::{Mode, Relay};
use vllm_rollback_harness::wait;

use super::door::{Clients, Door, Laggard};
use super::line::Line;
use super::{TrafficBackend, Trouble, run, start};
use crate::fixture::{assert_restored, until_said};

/// Requests that must stay without an answer once the stop is confirmed.
const REQUESTS: usize = 1_000;

/// As long as anything may take here before it counts as hanging.
const GUARD: Duration = Duration::from_secs(180);

/// In traffic, whatever an earlier case left.
pub(super) fn begin<P: TrafficBackend>(place: &P) {
    place.line(Line::Whole);
    place.set(P::IN);
    assert_served(place);
}

/// Neither `disable` nor a rollback changes a model that gets no traffic.
pub(super) fn without_traffic<P: TrafficBackend>(place: &P) {
    begin(place);
    for (number, word) in P::OTHERS.iter().enumerate() {
        place.set(word);
        place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
        assert_eq!(place.state(), *word, "after registry disable");
        place.set(P::IN);
        place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
        place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
        place.set(word);
        let to = if number % 2 == 0 { "1" } else { "2" };
        let again = [to, "--to-rejected", "--yes", "-o", "json"];
        place.run(&["rollback"], &again).expect_code(0);
        assert_eq!(place.state(), *word, "after a rollback");
    }
    place.set(P::IN);
}

/// Safe to repeat, and the prior state comes back.
pub(super) fn out_and_back<P: TrafficBackend>(place: &P) {
    begin(place);
    for _ in 0..2 {
        place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
        assert_eq!(place.state(), P::OUT);
        assert!(place.doors().iter().all(|door| !door.ask().is_served()));
    }
    for _ in 0..2 {
        place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
        assert_eq!(place.state(), P::IN);
        assert_served(place);
    }
}

/// A client that keeps sending gets nothing once the tool has ended. How many answers it got nevertheless.
pub(super) fn stop_is_final<P: TrafficBackend>(place: &P) -> usize {
    begin(place);
    let clients = Clients::at(place.doors());
    place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
    let confirmed = Instant::now();
    let served = ask_often(&place.doors());
    let knocks = clients.call_back().concat();
    let late = knocks
        .iter()
        .filter(|knock| knock.asked > confirmed && knock.text.is_some());
    let answers = served + late.count();
    assert!(
        knocks.iter().any(|knock| knock.text.is_some()),
        "the client was never served"
    );
    assert_eq!(answers, 0, "answers after the stop was confirmed");
    place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
    assert_served(place);
    answers
}

/// Sends the requests, many at a time: a router may take its time to refuse. How many were served.
fn ask_often(doors: &[Door]) -> usize {
    const AT_A_TIME: usize = 16;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_A_TIME)
            .map(|client| {
                scope.spawn(move || {
                    let mine = doors.iter().cycle().skip(client).take(REQUESTS.div_ceil(AT_A_TIME));
                    mine.filter(|door| door.ask().is_served()).count()
                })
            })
            .collect();
        let joined = clients
            .into_iter()
            .map(|client| client.join().expect("a client does not panic"));
        joined.sum()
    })
}

/// A verb that is killed before it changes anything is done by the next one.
pub(super) fn killed<P: TrafficBackend>(place: &P, verb: &str) {
    let after = before(place, verb);
    let mut running = place.start_verb(&["registry", verb], &["--yes"]);
    let said = if verb == "disable" {
        "taking the model out"
    } else {
        "putting the model into"
    };
    let _stderr = until_said(&mut running, said);
    running.signal(Signal::KILL);
    assert!(running.wait(GUARD).is_some());
    done_by_the_next(place, verb, after);
}

/// A verb that is killed when its change was made, and before it heard so.
pub(super) fn killed_unanswered<P: TrafficBackend>(place: &P, verb: &str) {
    let after = before(place, verb);
    place.line(Line::Deaf);
    let mut running = place.start_verb(&["registry", verb], &["--yes"]);
    wait::until("the change", GUARD, || (place.state() == after).then_some(()));
    running.signal(Signal::KILL);
    assert_eq!(running.wait(GUARD), Some(-1), "it did not wait for an answer");
    place.line(Line::Whole);
    done_by_the_next(place, verb, after);
}

/// As it is before the verb; the place's word after it.
fn before<P: TrafficBackend>(place: &P, verb: &str) -> &'static str {
    begin(place);
    let (before, after) = if verb == "disable" {
        (P::IN, P::OUT)
    } else {
        (P::OUT, P::IN)
    };
    if before == P::OUT {
        place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
    }
    assert_eq!(place.state(), before);
    after
}

fn done_by_the_next<P: TrafficBackend>(place: &P, verb: &str, after: &str) {
    place.run(&["registry", verb], &["--yes"]).expect_code(0);
    assert_eq!(place.state(), after);
    place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
    assert_eq!(place.state(), P::IN);
    assert_served(place);
}

/// Late answers are waited for.
pub(super) fn slow<P: TrafficBackend>(place: &P) {
    begin(place);
    place.line(Line::Slow);
    place.run(&["registry", "disable"], &["--yes"]).expect_code(0);
    assert_eq!(place.state(), P::OUT);
    assert!(place.doors().iter().all(|door| !door.ask().is_served()));
    place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
    place.line(Line::Whole);
    assert_eq!(place.state(), P::IN);
    assert_served(place);
}

/// The tool does not say that the model is out of traffic while a replica still lets clients in, although another one
/// does not any more.
pub(super) fn lagging<P: TrafficBackend>(place: &P, laggard: &Laggard) {
    let verb = |verb: &str| start(&place.tool(), &["registry", verb], &laggard.arguments, &["--yes"]);
    let is_open = |door: &Door| door.ask().is_served();
    wait::until("a replica that lags behind another", GUARD, || {
        begin(place);
        assert!(laggard.doors.iter().all(is_open));
        let mut disabling = verb("disable");
        let mut has_lagged = false;
        let ended = wait::until("the end", GUARD, || {
            let open: Vec<bool> = laggard.doors.iter().map(is_open).collect();
            let ended = disabling.child().try_wait().expect("our own child");
            // Asked one after the other: an open one after a closed one lags.
            has_lagged |= ended.is_none() && open.is_sorted() && open.first() != open.last();
            ended
        });
        assert!(ended.success(), "{ended}");
        let late = (0..50).filter(|_| laggard.doors.iter().any(is_open)).count();
        assert_eq!(late, 0, "answers after the stop was confirmed");
        assert_eq!(verb("enable").wait(GUARD), Some(0));
        has_lagged.then_some(())
    });
}

/// What refuses the change leaves everything as it was, the replicas that did not refuse it too.
pub(super) fn refused<P: TrafficBackend>(place: &P, relay: &Relay, words: &'static str) {
    const ANSWER: &str =
        "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    begin(place);
    let revisions = place.model().statuses().len();
    relay.set(Mode::Refusing { words, answer: ANSWER });
    let ran = place.run(&["rollback"], &["1", "--to-rejected", "--yes"]);
    relay.set(Mode::Whole);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("HTTP 500"), "{}", ran.stderr);
    assert_eq!(place.model().statuses().len(), revisions, "nothing was rolled back");
    assert_eq!(place.state(), P::IN);
    assert_served(place);
}

/// Nothing of another release is touched.
pub(super) fn not_ours<P: TrafficBackend>(place: &P) {
    begin(place);
    place.give_away(true);
    let revisions = place.model().statuses().len();
    let before = (place.state(), place.others());
    for (verb, more) in [
        (&["registry", "disable"][..], &["--yes"][..]),
        (&["rollback"], &["1", "--to-rejected", "--yes"]),
    ] {
        let ran = place.run(verb, more);
        assert_eq!(
            ran.code == 0,
            !P::NAMES_OWNERS,
            "{verb:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
    assert_eq!((place.state(), place.others()), before);
    if P::NAMES_OWNERS {
        assert_eq!(place.model().statuses().len(), revisions, "nothing was rolled back");
    }
    place.give_away(false);
    assert_eq!(place.state(), P::IN);
}

/// Where something does not work, nothing is claimed and nothing is changed.
pub(super) fn trouble<P: TrafficBackend>(place: &P, trouble: &Trouble) {
    begin(place);
    let revisions = place.model().statuses().len();
    let tool = trouble
        .env
        .iter()
        .fold(place.tool(), |tool, (key, value)| tool.env(key, value));
    let ran = run(
        &tool,
        &["rollback"],
        &trouble.arguments,
        &["1", "--to-rejected", "--yes"],
    );
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(trouble.says), "another error: {}", ran.stderr);
    assert_eq!(place.model().statuses().len(), revisions, "nothing was rolled back");
    assert_eq!(place.state(), P::IN);
    assert_served(place);
}

/// Each door serves; a router may take a moment to see that a backend is well.
pub(super) fn assert_served<P: TrafficBackend>(place: &P) {
    for door in place.doors() {
        wait::until("an answer", GUARD, || door.ask().is_served().then_some(()));
    }
}

/// The revision, of the two, that does not serve now.
pub(super) fn other_revision<P: TrafficBackend>(place: &P) -> u32 {
    if place.model().ask().text.contains("revision 1.") {
        2
    } else {
        1
    }
}

/// Restored to this revision.
pub(super) fn rolled_back<P: TrafficBackend>(place: &P, to: u32, more: &[&str]) {
    let to_text = to.to_string();
    let arguments = [&[to_text.as_str(), "--yes", "-o", "json"], more].concat();
    let report = place.run(&["rollback"], &arguments).expect_code(0).report();
    assert_restored(&report, to);
}

/// The next run knows what to give back, though nothing of the place says it any more.
pub(super) fn killed_behind_the_fence<P: TrafficBackend>(place: &P) {
    begin(place);
    let to = other_revision(place);
    let mut running = place.start_verb(&["rollback"], &[&to.to_string(), "--to-rejected", "--yes"]);
    let _stderr = until_said(&mut running, "✔ rolled-back");
    running.signal(Signal::KILL);
    assert!(running.wait(GUARD).is_some());
    assert_eq!(place.state(), P::OUT);
    let report = place.run(&["resume"], &["--yes", "-o", "json"]).expect_code(0).report();
    assert_restored(&report, to);
    assert_eq!(place.state(), P::IN);
    assert_served(place);
}

/// Behind a Service nobody can tell good pods from bad ones, so only that Service itself can be narrowed.
pub(super) fn cannot_be_narrowed<P: TrafficBackend>(place: &P) {
    begin(place);
    let to = other_revision(place).to_string();
    let narrowed = [to.as_str(), "--to-rejected", "--fence", "bad-only"];
    let ran = place.run(&["plan"], &narrowed).expect_code(1);
    assert!(ran.stderr.contains("cannot be told apart"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--registry service"), "{}", ran.stderr);
    assert_served(place);
}
