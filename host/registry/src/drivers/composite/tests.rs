use std::sync::{Arc, Mutex};

use vllm_rollback_engine::failure::FailureKind;

use super::*;
use vllm_rollback_engine::traffic::Keep;

/// Calls that changed a registry, in order.
type Done = Arc<Mutex<Vec<String>>>;

/// A registry in memory that can refuse to stop.
struct One {
    driver: &'static str,
    status: Mutex<TrafficStatus>,
    refuses: bool,
    done: Done,
}

impl One {
    fn set(&self, what: &str, status: TrafficStatus) {
        self.done.lock().unwrap().push(format!("{what} {}", self.driver));
        *self.status.lock().unwrap() = status;
    }
}

#[async_trait]
impl Registry for One {
    fn driver(&self) -> &str {
        self.driver
    }

    fn needs_client_side_rollback(&self) -> bool {
        self.driver == "service"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let status = self.status.lock().unwrap().clone();
        Ok(TrafficState {
            driver: self.driver.to_owned(),
            token: encode(&status),
            status,
            endpoint: None,
            evidence: vec![self.driver.to_owned()],
        })
    }

    async fn stop(&self, _: &Stop<'_>) -> Result<(), WriteError> {
        if self.refuses {
            let failure = Failure::new(FailureKind::Unreachable, format!("{} is down", self.driver));
            return Err(failure.into());
        }
        self.set("stop", TrafficStatus::Disabled);
        Ok(())
    }

    async fn confirm_stopped(&self, _: &Stop<'_>, _: Duration) -> Result<Vec<String>, Failure> {
        Ok(vec![format!("{} is out", self.driver)])
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        assert_eq!(prior.driver, self.driver, "each gets its own state");
        self.set("resume", prior.status.clone());
        Ok(())
    }

    async fn confirm_resumed(&self, prior: &TrafficState, _deadline: Duration) -> Result<Vec<String>, Failure> {
        Ok(vec![format!("{} is {}", self.driver, prior.status.as_str())])
    }
}

fn several(members: &[(&'static str, TrafficStatus, bool)]) -> (Composite, Done) {
    let done = Done::default();
    let member = |(driver, status, refuses): &(&'static str, TrafficStatus, bool)| -> Box<dyn Registry> {
        Box::new(One {
            driver,
            status: Mutex::new(status.clone()),
            refuses: *refuses,
            done: Arc::clone(&done),
        })
    };
    (Composite::new(members.iter().map(member).collect()), done)
}

fn pending() -> TrafficStatus {
    TrafficStatus::Other("pending".to_owned())
}

use TrafficStatus::{Disabled, Enabled, Partial};

#[tokio::test]
async fn they_are_stopped_in_order_and_put_back_in_reverse() {
    let (several, done) = several(&[("postgres", Enabled, false), ("service", Enabled, false)]);
    let prior = several.read().await.unwrap();
    assert_eq!((prior.driver.as_str(), &prior.status), ("postgres,service", &Enabled));
    assert!(several.needs_client_side_rollback());
    several.stop(&whole(&prior)).await.unwrap();
    assert_eq!(several.read().await.unwrap().status, Disabled);
    several.restore(&prior).await.unwrap();
    let all = ["stop postgres", "stop service", "resume service", "resume postgres"];
    assert_eq!(*done.lock().unwrap(), all);
    let lines = several.confirm_stopped(&whole(&prior), Duration::ZERO).await.unwrap();
    assert_eq!(lines, ["postgres is out", "service is out"]);
}

#[tokio::test]
async fn one_that_kept_the_model_out_before_is_left_alone() {
    let (several, done) = several(&[("postgres", pending(), false), ("service", Enabled, false)]);
    let prior = several.read().await.unwrap();
    several.stop(&whole(&prior)).await.unwrap();
    several.restore(&prior).await.unwrap();
    assert_eq!(*done.lock().unwrap(), ["stop service", "resume service"]);
    let lines = several.confirm_resumed(&prior, Duration::ZERO).await.unwrap();
    assert_eq!(lines, ["postgres is pending", "service is enabled"]);
}

#[tokio::test]
async fn when_one_cannot_be_stopped_the_others_are_named_and_put_back() {
    let (several, done) = several(&[
        ("exec", Enabled, false),
        ("postgres", Enabled, false),
        ("litellm", Enabled, true),
    ]);
    let prior = several.read().await.unwrap();
    let failure = Failure::from(several.stop(&whole(&prior)).await.unwrap_err());
    assert!(failure.to_string().contains("litellm is down"), "{failure}");
    assert!(
        failure.why.iter().any(|why| why.contains("exec, postgres")),
        "{failure:?}"
    );
    assert!(several.revert_partial_stop(&prior).await.unwrap());
    assert_eq!(several.read().await.unwrap().token, prior.token);
    let all = ["stop exec", "stop postgres", "resume postgres", "resume exec"];
    assert_eq!(*done.lock().unwrap(), all);
}

#[tokio::test]
async fn whoever_lets_the_model_in_keeps_it_in_traffic() {
    for (first, second, all) in [
        (Disabled, Enabled, Enabled),
        (Disabled, Disabled, Disabled),
        (pending(), Disabled, Disabled),
        (pending(), pending(), pending()),
        (Partial, Enabled, Enabled),
        (Partial, Disabled, Partial),
    ] {
        let (several, _) = several(&[("postgres", first, false), ("service", second, false)]);
        assert_eq!(several.read().await.unwrap().status, all);
    }
}

#[tokio::test]
async fn what_others_remembered_is_refused() {
    let (one, _) = several(&[("postgres", Enabled, false), ("service", Enabled, false)]);
    let (other, done) = several(&[("service", Enabled, false), ("postgres", Enabled, false)]);
    let prior = one.read().await.unwrap();
    let failure = Failure::from(other.restore(&prior).await.unwrap_err());
    assert!(failure.next[0].contains("--registry postgres,service"), "{failure:?}");
    assert!(done.lock().unwrap().is_empty());
}

/// A stop that keeps nothing in traffic.
fn whole(prior: &TrafficState) -> Stop<'_> {
    Stop::new(prior, Keep::Nothing)
}

#[tokio::test]
async fn what_is_saved_of_each_is_what_earlier_versions_saved() {
    let (several, _) = several(&[("postgres", Enabled, false), ("service", Disabled, false)]);
    let prior = several.read().await.unwrap();
    let saved = serde_json::json!([
        { "driver": "postgres", "status": "enabled", "token": "enabled", "endpoint": null },
        { "driver": "service", "status": "disabled", "token": "disabled", "endpoint": null },
    ]);
    assert_eq!(prior.token, saved);
    assert_eq!(prior.evidence, ["postgres", "service"]);
}
