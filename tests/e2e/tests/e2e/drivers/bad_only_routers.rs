//! Routers whose backends are the pods themselves: the bad ones go, the good ones serve on, and no client sees the rollback.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_harness::databases::Postgres;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::litellm::{ADMIN_KEY, LiteLlm};
use vllm_rollback_harness::names::{NameProxy, Names};
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::Ran;
use vllm_rollback_harness::vllm_router::VllmRouter;
use vllm_rollback_harness::wait;

use super::bad_only::{
    Way, assert_good_answers, assert_no_trace, half_way, never_ready, nobody_sees_it, pods, until_two_good,
};
use super::door::{Clients, Door};
use super::litellm::{Proxies, deployment};
use super::vllm_router::{Routers, pod_urls};
use super::{TrafficBackend as _, row, run, start};
use crate::fixture::{MODEL, Model, until_said};
use crate::on_both_helms;

/// One good pod and a bad one that answers, and two replicas of vllm-router that know both.
struct Half {
    model: Model,
    routers: Arc<Vec<VllmRouter>>,
    _names: (NameProxy, Names),
}

impl Half {
    fn start(hint: &str, major: Major) -> Option<Self> {
        let model = half_way(hint, major);
        let names = Names::follow(BTreeMap::new());
        let proxy = NameProxy::start(&names);
        let workers = pod_urls(&model);
        let routers: Option<Vec<VllmRouter>> = (0..2).map(|_| VllmRouter::start(&workers, &proxy)).collect();
        let Some(routers) = routers else {
            row::skip(Routers::DRIVER);
            return None;
        };
        Some(Self {
            model,
            routers: Arc::new(routers),
            _names: (proxy, names),
        })
    }

    fn arguments(&self) -> Vec<String> {
        Routers::replicas(self.routers.iter().map(VllmRouter::url))
    }

    fn lists(&self) -> Vec<Vec<String>> {
        let workers = self.routers.iter().map(VllmRouter::workers);
        workers.map(sorted).collect()
    }

    fn way(&self) -> Way {
        let routers = Arc::clone(&self.routers);
        Way {
            tool: self.model.tool(),
            arguments: self.arguments(),
            doors: doors(self.routers.iter().map(VllmRouter::url), None),
            reached: Box::new(move || routers.iter().flat_map(VllmRouter::workers).collect()),
        }
    }

    fn run(&self, verb: &[&str], more: &[&str]) -> Ran {
        run(&self.model.tool(), verb, &self.arguments(), more)
    }
}

fn sorted(mut urls: Vec<String>) -> Vec<String> {
    urls.sort();
    urls
}

fn doors(urls: impl Iterator<Item = String>, key: Option<&'static str>) -> Vec<Door> {
    urls.map(|url| Door::Router { url, key }).collect()
}

on_both_helms!(vllm_router_keeps_the_good_workers, |major| {
    let Some(half) = Half::start("spareroute", major) else {
        return;
    };
    nobody_sees_it(half.way());
    until_two_good(&half.model);
    let all = sorted(pod_urls(&half.model));
    assert_eq!(half.lists(), [all.clone(), all]);
    assert_no_trace(&half.model);
});

#[test]
fn workers_that_were_kept_serve_on_when_a_run_fails_and_go_when_an_operator_says_so() {
    let Some(half) = Half::start("sparekept", Major::Four) else {
        return;
    };
    never_ready(&half.model);
    let held = half
        .run(
            &["rollback"],
            &["--yes", "-o", "json", "--fence", "bad-only", "--timeout", "20s"],
        )
        .expect_code(11)
        .report();
    assert_eq!(held.outcome, StateName::Held);
    assert_eq!(held.traffic_after.expect("it was read").status, TrafficStatus::Partial);
    let kept = half.lists();
    assert_eq!((kept[0].len(), &kept[0]), (1, &kept[1]));
    let status = half.run(&["registry", "status"], &[]).expect_code(0);
    assert!(status.stdout.contains("narrowed"), "{}", status.stdout);
    half.run(&["registry", "disable"], &["--yes"]).expect_code(0);
    assert_eq!(half.lists().concat(), [] as [String; 0]);
    assert_no_trace(&half.model);
    half.run(&["registry", "enable"], &["--yes"]).expect_code(0);
    // As the Service would: every pod that is ready, whatever it runs.
    let all = sorted(pod_urls(&half.model));
    assert_eq!(half.lists(), [all.clone(), all]);
}

#[test]
fn a_run_that_is_killed_with_the_good_workers_listed_is_finished_and_nobody_sees_it() {
    let Some(half) = Half::start("sparekill", Major::Four) else {
        return;
    };
    let clients = Clients::at(half.way().doors);
    let bad_only = ["--yes", "--fence", "bad-only"];
    let mut running = start(&half.model.tool(), &["rollback"], &half.arguments(), &bad_only);
    let _stderr = until_said(&mut running, "ready        waiting");
    let fenced = Instant::now();
    running.signal(Signal::KILL);
    assert!(running.wait(HANG).is_some());
    assert_eq!(half.lists()[0].len(), 1);
    half.run(&["resume"], &["--yes"]).expect_code(0);
    assert_good_answers(&clients.call_back().concat(), fenced);
    until_two_good(&half.model);
    let all = sorted(pod_urls(&half.model));
    assert_eq!(half.lists(), [all.clone(), all]);
    assert_no_trace(&half.model);
}

#[test]
fn litellm_keeps_the_good_deployments() {
    let model = half_way("sparelite", Major::Four);
    let names = Names::follow(BTreeMap::new());
    let (proxy, postgres) = (NameProxy::start(&names), Postgres::start());
    let Some(proxies) = LiteLlm::start(2, &postgres, &proxy, &[]) else {
        return row::skip(Proxies::DRIVER);
    };
    let urls = pod_urls(&model);
    for url in &urls {
        let host = url.trim_start_matches("http://");
        proxies[0].admin("/model/new", &deployment(host, MODEL, host));
    }
    let proxies = Arc::new(proxies);
    let open = |proxies: &[LiteLlm]| -> Vec<Vec<String>> {
        let of = |proxy: &LiteLlm| {
            let models = proxy.models().into_iter();
            let open = models.filter(|model| model["model_info"]["blocked"] != json!(true));
            open.filter_map(|model| model["model_info"]["id"].as_str().map(str::to_owned))
                .collect()
        };
        proxies.iter().map(of).collect()
    };
    wait::until("both deployments at both", HANG, || {
        open(&proxies).iter().all(|open| open.len() == 2).then_some(())
    });
    let watched = Arc::clone(&proxies);
    nobody_sees_it(Way {
        tool: model.tool().env("ROUTER_KEY", ADMIN_KEY),
        arguments: Proxies::replicas(proxies.iter().map(LiteLlm::url)),
        doors: doors(proxies.iter().map(LiteLlm::url), Some(ADMIN_KEY)),
        reached: Box::new(move || open(&watched).concat()),
    });
    until_two_good(&model);
    let open = open(&proxies);
    assert_eq!(
        (open[0].len(), &open[0]),
        (1, &open[1]),
        "the pod of the other one is gone"
    );
    assert!(pod_urls(&model).contains(&format!("http://{}", open[0][0])));
    assert_eq!(pods(&model).len(), 2);
    assert_no_trace(&model);
}
