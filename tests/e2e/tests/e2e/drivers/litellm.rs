//! Two real LiteLLM proxies on one PostgreSQL, whose deployment is the release's Service.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::databases::{Postgres, free_port};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::litellm::{ADMIN_KEY, LiteLlm};
use vllm_rollback_harness::names::{NameProxy, Names};
use vllm_rollback_harness::relay::Relay;
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::Tool;
use vllm_rollback_harness::wait;

use super::cases::{self, assert_served, begin, other_revision};
use super::door::{Door, Laggard};
use super::line::{self, Line};
use super::vllm_router::{answers, pod_urls};
use super::{OwnCase, TrafficBackend, Trouble, owned, run, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE};

/// The release's deployment.
const ID: &str = "llama-1";
/// How late a proxy is when it is slow.
const LATE: Duration = Duration::from_secs(1);
/// A request that changes a deployment.
const CHANGE: &[&str] = &["POST /model/"];
/// Another release's, of a model with another name.
const FOREIGN: &str = "other-1";

/// The proxies.
pub(super) struct Proxies {
    model: Model,
    proxies: Vec<LiteLlm>,
    /// Between the tool and each of them.
    relays: Vec<Relay>,
    // End after the proxies.
    parts: (NameProxy, Names, Postgres),
}

pub(super) fn deployment(id: &str, name: &str, host: &str) -> Value {
    json!({
        "model_name": name,
        "litellm_params": {
            "model": format!("hosted_vllm/{MODEL}"),
            "api_base": format!("http://{host}/v1"),
            "api_key": "none",
        },
        "model_info": { "id": id },
    })
}

fn endpoint(model: &Model) -> String {
    format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name)
}

impl Proxies {
    pub(super) fn replicas(urls: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut words = owned(&[
            "--registry",
            "litellm",
            "--model",
            MODEL,
            "--router-key-env",
            "ROUTER_KEY",
        ]);
        for url in urls {
            words.extend(["--router-replica".to_owned(), url]);
        }
        words
    }

    /// What each proxy says of the deployment.
    fn words(&self, id: &str) -> Vec<&'static str> {
        let word = |proxy: &LiteLlm| {
            let models = proxy.models();
            match models.iter().find(|model| model["model_info"]["id"] == id) {
                None => "absent",
                Some(model) if model["model_info"]["blocked"] == true => "blocked",
                Some(_) => "open",
            }
        };
        self.proxies.iter().map(word).collect()
    }

    fn settle(&self, id: &str, word: &str) {
        wait::until(&format!("every LiteLLM with {id} {word}"), HANG, || {
            self.words(id).iter().all(|now| *now == word).then_some(())
        });
    }
}

impl TrafficBackend for Proxies {
    const DRIVER: &'static str = "litellm";
    const IN: &'static str = "open";
    const OUT: &'static str = "blocked";
    const OTHERS: &'static [&'static str] = &["blocked"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        let model = two_revisions(hint, major);
        let names = Names::follow(BTreeMap::from([(endpoint(&model), model.namespace.client(SERVICE))]));
        let proxy = NameProxy::start(&names);
        let postgres = Postgres::start();
        let proxies = LiteLlm::start(2, &postgres, &proxy, &[])?;
        proxies[0].admin("/model/new", &deployment(ID, MODEL, &endpoint(&model)));
        proxies[0].admin("/model/new", &deployment(FOREIGN, "other", "other.system:8000"));
        let place = Self {
            model,
            relays: proxies.iter().map(|proxy| Relay::start(proxy.port())).collect(),
            proxies,
            parts: (proxy, names, postgres),
        };
        place.settle(ID, Self::IN);
        place.settle(FOREIGN, Self::IN);
        Some(place)
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn arguments(&self) -> Vec<String> {
        Self::replicas(self.relays.iter().map(Relay::url))
    }

    fn tool(&self) -> Tool {
        self.model.tool().env("ROUTER_KEY", ADMIN_KEY)
    }

    /// `half` when the proxies differ.
    fn state(&self) -> String {
        let words = self.words(ID);
        let word = if words.iter().all(|word| *word == words[0]) {
            words[0]
        } else {
            "half"
        };
        word.to_owned()
    }

    fn set(&self, word: &str) {
        let call = if word == Self::IN { "unblock" } else { "block" };
        if self.words(ID).iter().any(|now| *now != word) {
            self.proxies[0].admin(&format!("/model/{call}"), &json!({ "model_id": ID }));
        }
        self.settle(ID, word);
    }

    fn doors(&self) -> Vec<Door> {
        let door = |proxy: &LiteLlm| Door::Router {
            url: proxy.url(),
            key: Some(ADMIN_KEY),
        };
        self.proxies.iter().map(door).collect()
    }

    fn give_away(&self, away: bool) {
        self.proxies[0].admin("/model/delete", &json!({ "id": ID }));
        self.settle(ID, "absent");
        let host = if away {
            "other.system:8000".to_owned()
        } else {
            endpoint(&self.model)
        };
        self.proxies[0].admin("/model/new", &deployment(ID, MODEL, &host));
        self.settle(ID, Self::IN);
    }

    fn others(&self) -> Vec<String> {
        self.words(FOREIGN).into_iter().map(str::to_owned).collect()
    }

    fn troubles(&self) -> Vec<Trouble> {
        let good = self.proxies[0].url();
        vec![
            Trouble {
                what: "a replica that is down",
                says: "gives no answer",
                arguments: Self::replicas([good.clone(), format!("http://127.0.0.1:{}", free_port())]),
                env: Vec::new(),
            },
            Trouble {
                what: "a replica that answers 500",
                says: "HTTP 500",
                arguments: Self::replicas([good.clone(), answers(Some("500 Oh"))]),
                env: Vec::new(),
            },
            Trouble {
                what: "a replica that says nothing",
                says: "gives no answer",
                arguments: Self::replicas([good.clone(), answers(None)]),
                env: Vec::new(),
            },
            Trouble {
                what: "a replica that is something else",
                says: "does not list its models",
                arguments: Self::replicas([good.clone(), answers(Some("200 OK"))]),
                env: Vec::new(),
            },
            Trouble {
                what: "a wrong key",
                says: "HTTP 401",
                arguments: self.arguments(),
                env: vec![("ROUTER_KEY", "sk-wrong".to_owned())],
            },
        ]
    }
    fn line(&self, line: Line) {
        line::set(&self.relays, line, LATE, CHANGE);
    }

    // One of them is told, and the other one reads it from the database later.
    fn laggard(&self) -> Option<Laggard> {
        Some(Laggard {
            arguments: self.arguments(),
            doors: self.doors(),
            _kept: None,
        })
    }

    fn own_cases(&self) -> Vec<OwnCase<Self>> {
        vec![
            ("a proxy that refuses the change", |place| {
                cases::refused(place, &place.relays[0], CHANGE[0]);
            }),
            (
                "a Service as the deployment cannot be narrowed",
                cases::cannot_be_narrowed,
            ),
            ("a proxy without a database is refused", no_database),
            ("a deployment whose pod goes away", pod_goes),
        ]
    }
}

/// What to do instead is said, before anything changes.
fn no_database(place: &Proxies) {
    begin(place);
    let configured = [deployment(ID, MODEL, &endpoint(&place.model))];
    let proxy = LiteLlm::start_without_database(&place.parts.0, &configured).expect("it is installed");
    let arguments = Proxies::replicas([proxy.url()]);
    let door = Door::Router {
        url: proxy.url(),
        key: Some(ADMIN_KEY),
    };
    let to = other_revision(place).to_string();
    let verbs: [(&[&str], &[&str]); 2] = [
        (&["plan"], &[&to, "--to-rejected"]),
        (&["registry", "disable"], &["--yes"]),
    ];
    for (verb, more) in verbs {
        let ran = run(&place.tool(), verb, &arguments, more).expect_code(1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for words in ["configuration file", "STORE_MODEL_IN_DB", "--registry service"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(door.ask().is_served());
    }
}

/// It cannot be given back, and the tool says why and what leads out.
fn pod_goes(place: &Proxies) {
    begin(place);
    let replace = |host: &str| {
        place.proxies[0].admin("/model/delete", &json!({ "id": ID }));
        place.settle(ID, "absent");
        place.proxies[0].admin("/model/new", &deployment(ID, MODEL, host));
        place.settle(ID, Proxies::IN);
    };
    let urls = pod_urls(&place.model);
    replace(urls[0].trim_start_matches("http://"));
    assert_served(place);
    let to = other_revision(place);
    let again = [&to.to_string(), "--to-rejected", "--yes", "-o", "json"];
    let held = place.run(&["rollback"], &again).expect_code(11).report();
    assert_eq!(held.outcome, StateName::Held);
    let failure = held.failure.expect("it says why");
    assert!(failure.why.iter().any(|why| why.contains("is gone")), "{failure:?}");
    assert!(
        held.next.iter().any(|step| step.contains("/model/update")),
        "{:?}",
        held.next
    );
    assert_eq!(place.state(), Proxies::OUT);
    // As it says.
    let led = json!({
        "model_info": { "id": ID },
        "litellm_params": { "api_base": format!("http://{}/v1", endpoint(&place.model)) },
    });
    place.proxies[0].admin("/model/update", &led);
    assert_eq!(place.state(), Proxies::OUT);
    place.run(&["rollback"], &["--yes"]).expect_code(0);
    assert_eq!(place.state(), Proxies::IN);
    assert_served(place);
}
