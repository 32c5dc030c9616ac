//! What every driver must do.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use vllm_rollback_harness::wait;

use super::door::{Clients, Door};
use super::{Place, Trouble, run};
use crate::fixture::{RELEASE, assert_restored, until_said};

/// Requests that must stay without an answer once the stop is confirmed.
const REQUESTS: usize = 1_000;

/// As long as anything may take here before it counts as hanging.
const GUARD: Duration = Duration::from_secs(180);

/// In traffic, whatever an earlier case left.
fn begin<P: Place>(place: &P) {
    place.set(P::IN);
    assert_served(place);
}

/// Neither `disable` nor a rollback changes a model that gets no traffic.
pub(super) fn without_traffic<P: Place>(place: &P) {
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
pub(super) fn out_and_back<P: Place>(place: &P) {
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
pub(super) fn stop_is_final<P: Place>(place: &P) -> usize {
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

/// A verb that is killed in the middle is done by the next one.
pub(super) fn killed<P: Place>(place: &P, verb: &str) {
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
    let arguments = place.arguments();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut running = place
        .tool()
        .start(&[&["registry", verb, RELEASE, "--yes"], &words[..]].concat());
    let said = if verb == "disable" {
        "taking the model out"
    } else {
        "putting the model into"
    };
    let _stderr = until_said(&mut running, said);
    running.signal(Signal::KILL);
    assert!(running.wait(GUARD).is_some());
    place.run(&["registry", verb], &["--yes"]).expect_code(0);
    assert_eq!(place.state(), after);
    place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
    assert_eq!(place.state(), P::IN);
    assert_served(place);
}

/// Nothing of another release is touched.
pub(super) fn not_ours<P: Place>(place: &P) {
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
pub(super) fn trouble<P: Place>(place: &P, trouble: &Trouble) {
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
pub(super) fn assert_served<P: Place>(place: &P) {
    for door in place.doors() {
        wait::until("an answer", GUARD, || door.ask().is_served().then_some(()));
    }
}

/// Restored to this revision.
pub(super) fn rolled_back<P: Place>(place: &P, to: u32, more: &[&str]) {
    let to_text = to.to_string();
    let arguments = [&[to_text.as_str(), "--yes", "-o", "json"], more].concat();
    let report = place.run(&["rollback"], &arguments).expect_code(0).report();
    assert_restored(&report, to);
}
