//! One conformance suite for every registry driver, each against the real thing that routes.

mod bad_only;
mod bad_only_routers;
mod cases;
mod door;
mod exec;
mod in_cluster;
mod line;
mod litellm;
mod postgres;
mod rollback;
mod route;
mod route_more;
mod row;
mod service;
mod vllm_router;

use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::process::Running;
use vllm_rollback_harness::tool::{Ran, Tool};

use crate::fixture::{Model, RELEASE};
pub(crate) use door::Door;
use door::Laggard;
use line::Line;
use row::Row;
pub(crate) use row::skip;

/// A place that routes, with two good revisions of a model behind it.
trait TrafficBackend: Sized {
    /// As `--registry` names it.
    const DRIVER: &'static str;
    /// The place's own word for a model in traffic.
    const IN: &'static str;
    /// Its word for what `registry disable` makes of that.
    const OUT: &'static str;
    /// Its other words for a model that gets no traffic.
    const OTHERS: &'static [&'static str];

    /// Set up, in traffic. None when a part of it is not installed.
    fn start(hint: &str, major: Major) -> Option<Self>;

    /// The model.
    fn model(&self) -> &Model;

    /// What the tool is told of the place.
    fn arguments(&self) -> Vec<String>;

    /// The tool, with what it needs to know.
    fn tool(&self) -> Tool {
        self.model().tool()
    }

    /// The place's own word now.
    fn state(&self) -> String;

    /// Sets it by hand.
    fn set(&self, word: &str);

    /// Every way in that clients have, one for each replica of the router.
    fn doors(&self) -> Vec<Door>;

    /// Makes what is there another release's, or gives it back.
    fn give_away(&self, away: bool);

    /// The place names the release that an entry is of, so another's is refused; else it is as if there were no entry.
    const NAMES_OWNERS: bool = true;

    /// What of the place is another release's.
    fn others(&self) -> Vec<String> {
        Vec::new()
    }

    /// Ways in which the place can fail the tool: what is wrong, and what the tool is told instead.
    fn troubles(&self) -> Vec<Trouble>;

    /// What the line between the tool and the place does from now on.
    fn line(&self, line: Line);

    /// Replicas that do not all see a change at the same time. None where each is changed by itself.
    fn laggard(&self) -> Option<Laggard> {
        None
    }

    /// What only this place can go through.
    fn own_cases(&self) -> Vec<OwnCase<Self>> {
        Vec::new()
    }

    /// Runs a verb of the tool on the model.
    fn run(&self, verb: &[&str], more: &[&str]) -> Ran {
        run(&self.tool(), verb, &self.arguments(), more)
    }

    /// As [`Self::run`], without waiting for the end.
    fn start_verb(&self, verb: &[&str], more: &[&str]) -> Running {
        start(&self.tool(), verb, &self.arguments(), more)
    }
}

/// What it is, and what happens.
type OwnCase<P> = (&'static str, fn(&P));

/// Something that does not work.
struct Trouble {
    /// What: `the server is down`.
    what: &'static str,
    /// Words of the tool's error that show that it was this.
    says: &'static str,
    /// The tool is told this, instead of what works.
    arguments: Vec<String>,
    /// Further variables for it.
    env: Vec<(&'static str, String)>,
}

fn run(tool: &Tool, verb: &[&str], place: &[String], more: &[&str]) -> Ran {
    tool.run(&words(verb, place, more))
}

fn start(tool: &Tool, verb: &[&str], place: &[String], more: &[&str]) -> Running {
    tool.start(&words(verb, place, more))
}

fn words<'w>(verb: &[&'w str], place: &'w [String], more: &[&'w str]) -> Vec<&'w str> {
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    [verb, &[RELEASE], &place, more].concat()
}

/// Two good revisions, the second one in service.
fn two_revisions(hint: &str, major: Major) -> Model {
    let model = Model::good(hint, major);
    assert!(model.upgrade_and_wait(2, &[], "120s"), "revision 2 did not get ready");
    model
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Everything that a driver must do, told as a row of `target/drivers/result.json`.
fn conforms<P: TrafficBackend>() {
    let Some(place) = P::start(P::DRIVER, Major::Four) else {
        row::skip(P::DRIVER);
        return;
    };
    let mut row = Row::new(P::DRIVER);
    row.case("a model without traffic is left as it is", || {
        cases::without_traffic(&place)
    });
    row.case("out of traffic and back, each twice", || cases::out_and_back(&place));
    let after = row.case("no answer after the stop was confirmed", || {
        cases::stop_is_final(&place)
    });
    row.answers_after_stop = after.unwrap_or_default();
    for verb in ["disable", "enable"] {
        row.case(&format!("killed while it begins to {verb}"), || {
            cases::killed(&place, verb)
        });
        row.case(&format!("killed between the change and its answer, in {verb}"), || {
            cases::killed_unanswered(&place, verb)
        });
    }
    row.case("a run killed behind the fence is finished", || {
        cases::killed_behind_the_fence(&place);
    });
    row.case("a place that takes its time", || cases::slow(&place));
    if let Some(laggard) = place.laggard() {
        row.case("two replicas, one of which lags", || cases::lagging(&place, &laggard));
    }
    row.case("another release's entry is refused", || cases::not_ours(&place));
    for trouble in place.troubles() {
        row.case(trouble.what, || cases::trouble(&place, &trouble));
    }
    for (what, case) in place.own_cases() {
        row.case(what, || case(&place));
    }
    drop(place);
    for major in Major::BOTH {
        let place = P::start(&format!("{}-run", P::DRIVER), major).expect("it is installed");
        let what = format!("a rollback by Helm {major:?} under the eyes of a client");
        let outage = row.case(&what, || rollback::ours(&place));
        row.outage(outage);
        // The runbook knows Helm 3.
        if major == Major::Three {
            row.script_outage_seconds = row.case("the runbook's sequence, to compare", || rollback::script(&place));
        }
    }
    row.close();
}

#[test]
fn postgres_conforms() {
    conforms::<postgres::Runbook>();
}

#[test]
fn exec_conforms() {
    conforms::<exec::SiteTool>();
}

#[test]
fn service_conforms() {
    conforms::<service::Gate>();
}

#[test]
fn litellm_conforms() {
    conforms::<litellm::Proxies>();
}

#[test]
fn vllm_router_conforms() {
    conforms::<vllm_router::Routers>();
}

#[test]
fn route_conforms() {
    conforms::<route::Gateway>();
}
