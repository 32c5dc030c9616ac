use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::ports::drivers::PodLabels;

/// Services in memory whose endpoints follow the gate at once, as the cluster's do a moment later.
#[derive(Debug, Default)]
struct Cluster {
    services: Mutex<BTreeMap<String, Gate>>,
    marked: Mutex<Vec<String>>,
    turned: AtomicBool,
}

impl Cluster {
    fn with(gates: &[(&str, Option<&str>)]) -> Self {
        let services = gates
            .iter()
            .map(|(name, value)| ((*name).to_owned(), gate(*value)))
            .collect();
        Self {
            services: Mutex::new(services),
            ..Self::default()
        }
    }

    fn gates(&self) -> Vec<Option<String>> {
        self.services
            .lock()
            .unwrap()
            .values()
            .map(|gate| gate.value.clone())
            .collect()
    }

    fn edit(&self, service: &str, edit: impl FnOnce(&mut Gate)) {
        edit(self.services.lock().unwrap().get_mut(service).unwrap());
    }
}

fn gate(value: Option<&str>) -> Gate {
    Gate {
        selector: BTreeMap::from([("app".to_owned(), "vllm".to_owned())]),
        value: value.map(str::to_owned),
        managers: vec!["helm/Apply".to_owned()],
        release: Some(release()),
    }
}

fn release() -> ReleaseRef {
    ReleaseRef {
        namespace: "ml".into(),
        name: "llama".into(),
    }
}

#[async_trait]
impl ServiceSelectors for Cluster {
    async fn names(&self) -> Result<Vec<String>, Failure> {
        Ok(self.services.lock().unwrap().keys().cloned().collect())
    }
    async fn read(&self, service: &str) -> Result<Option<Gate>, Failure> {
        Ok(self.services.lock().unwrap().get(service).cloned())
    }
    async fn close(&self, service: &str, value: &str) -> Result<(), WriteError> {
        self.edit(service, |gate| gate.value = Some(value.to_owned()));
        Ok(())
    }
    async fn open(&self, service: &str) -> Result<(), WriteError> {
        self.edit(service, |gate| gate.value = None);
        Ok(())
    }
    async fn wait(&self, service: &str, _: Duration, wanted: Wanted) -> Result<Vec<String>, Failure> {
        let gate = self.services.lock().unwrap()[service].value.clone();
        let marked = self.marked.lock().unwrap().clone();
        match (gate.as_deref(), wanted) {
            (Some(RETAINED_LABEL), Wanted::NoneBut(uids)) if uids == marked => Ok(marked),
            (Some(value), Wanted::NoneBut(_)) if value != RETAINED_LABEL => Ok(Vec::new()),
            (None, Wanted::Some) => Ok(vec!["10.0.0.1:8000".to_owned()]),
            _ => Err(Failure::timeout("the endpoints did not settle")),
        }
    }
    async fn turned_client_side(&self) -> Result<bool, Failure> {
        Ok(self.turned.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl PodLabels for Cluster {
    async fn retain(&self, pods: &[ServingPod]) -> Result<(), Failure> {
        let narrowed = self.gates().iter().any(|gate| gate.as_deref() == Some(RETAINED_LABEL));
        assert!(
            !(pods.is_empty() && narrowed),
            "a Service still asks for the label that is taken off"
        );
        *self.marked.lock().unwrap() = pods.iter().map(|pod| pod.uid.clone()).collect();
        Ok(())
    }
    async fn retained(&self) -> Result<Vec<(String, String)>, Failure> {
        let marked = self.marked.lock().unwrap();
        Ok(marked.iter().map(|uid| (format!("pod-{uid}"), uid.clone())).collect())
    }
}

const SOON: Duration = Duration::from_secs(5);

/// The driver, and the cluster that it works on.
struct Gated {
    driver: ServiceGate,
    services: Arc<Cluster>,
}

impl std::ops::Deref for Gated {
    type Target = ServiceGate;

    fn deref(&self) -> &ServiceGate {
        &self.driver
    }
}

fn driver(gates: &[(&str, Option<&str>)]) -> Gated {
    let services = Arc::new(Cluster::with(gates));
    Gated {
        driver: ServiceGate::new(release(), services.clone()),
        services,
    }
}

#[tokio::test]
async fn an_enabled_model_is_closed_proved_and_opened_again() {
    let gate = driver(&[("a", None), ("b", None)]);
    let prior = gate.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Enabled);
    gate.stop(&whole(&prior)).await.unwrap();
    gate.stop(&whole(&prior)).await.unwrap();
    assert_eq!(gate.confirm_stopped(&whole(&prior), SOON).await.unwrap().len(), 2);
    assert_eq!(gate.read().await.unwrap().status, TrafficStatus::Disabled);
    gate.restore(&prior).await.unwrap();
    let lines = gate.confirm_resumed(&prior, SOON).await.unwrap();
    assert!(
        lines[0].contains("1 ready endpoints (10.0.0.1:8000); managers helm/Apply"),
        "{lines:?}"
    );
    assert_eq!(gate.read().await.unwrap(), prior);
}

#[tokio::test]
async fn a_model_that_was_closed_stays_closed() {
    let gate = driver(&[("a", Some("closed"))]);
    let prior = gate.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Disabled);
    gate.restore(&prior).await.unwrap();
    gate.confirm_resumed(&prior, SOON).await.unwrap();
    assert_eq!(gate.services.gates(), [Some("closed".to_owned())]);
    let enabled = gate.enabled(&prior).unwrap();
    gate.restore(&enabled).await.unwrap();
    assert_eq!(gate.services.gates(), [None]);
}

#[tokio::test]
async fn a_gate_that_somebody_opened_is_not_confirmed_as_stopped() {
    let gate = driver(&[("a", None), ("b", Some("closed"))]);
    let prior = gate.read().await.unwrap();
    assert_eq!(
        gate.confirm_stopped(&whole(&prior), SOON).await.unwrap_err().kind,
        FailureKind::Conflict
    );
}

#[tokio::test]
async fn a_service_that_a_revision_brought_is_closed_and_opened_with_the_others() {
    let gate = driver(&[("a", None)]);
    let prior = gate.read().await.unwrap();
    gate.stop(&whole(&prior)).await.unwrap();
    gate.services
        .services
        .lock()
        .unwrap()
        .insert("b".into(), self::gate(None));
    assert_eq!(
        gate.confirm_stopped(&whole(&prior), SOON).await.unwrap_err().kind,
        FailureKind::Conflict
    );
    gate.stop(&whole(&prior)).await.unwrap();
    gate.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    gate.restore(&prior).await.unwrap();
    assert_eq!(gate.confirm_resumed(&prior, SOON).await.unwrap().len(), 2);
    assert_eq!(gate.services.gates(), [None, None]);
}

#[tokio::test]
async fn a_service_whose_selector_changed_is_closed_all_the_same() {
    let gate = driver(&[("a", None)]);
    let prior = gate.read().await.unwrap();
    gate.services.edit("a", |gate| {
        gate.selector.insert("v".into(), "2".into());
    });
    gate.stop(&whole(&prior)).await.unwrap();
    gate.confirm_stopped(&whole(&prior), SOON).await.unwrap();
}

#[tokio::test]
async fn a_service_of_another_release_or_none_at_all_is_refused() {
    let gate = driver(&[("a", None)]);
    gate.services.edit("a", |gate| {
        gate.release = Some(ReleaseRef {
            name: "other".into(),
            ..release()
        })
    });
    let failure = gate.read().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.to_string().contains("ml/other"), "{failure}");
    let failure = driver(&[]).read().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.next.iter().any(|next| next.contains("--registry none")));
}

#[tokio::test]
async fn a_service_that_went_with_the_bad_revision_is_passed_over_unless_it_was_the_only_one() {
    let gate = driver(&[("a", None), ("b", None)]);
    let prior = gate.read().await.unwrap();
    gate.services.services.lock().unwrap().remove("b");
    gate.restore(&prior).await.unwrap();
    assert_eq!(gate.confirm_resumed(&prior, SOON).await.unwrap().len(), 2);
    gate.services.services.lock().unwrap().clear();
    gate.restore(&prior).await.unwrap();
    assert_eq!(
        gate.confirm_resumed(&prior, SOON).await.unwrap_err().kind,
        FailureKind::Invalid
    );
}

#[tokio::test]
async fn what_another_driver_remembered_is_refused() {
    let gate = driver(&[("a", None)]);
    let mut prior = gate.read().await.unwrap();
    prior.driver = "postgres".into();
    assert_eq!(
        gate.stop(&whole(&prior)).await.unwrap_err().failure().kind,
        FailureKind::Refused
    );
    prior.driver = "service".into();
    prior.token = serde_json::json!({"services": 7});
    assert_eq!(
        gate.restore(&prior).await.unwrap_err().failure().kind,
        FailureKind::Invalid
    );
}

#[tokio::test]
async fn a_change_of_the_apply_method_is_told_with_the_flag_that_reverts_it() {
    let gate = driver(&[("a", None)]);
    assert!(gate.post_run_notes().await.is_empty());
    gate.services.turned.store(true, Ordering::Relaxed);
    assert!(gate.post_run_notes().await[0].contains("--server-side=true"));
}

proptest! {
    /// I2 for this driver: whatever was closed or open before, with whatever value, is so again.
    #[test]
    fn any_prior_state_is_restored_exactly(gates in proptest::collection::vec(proptest::option::of("[a-z]{1,6}"), 1..5)) {
        let names: Vec<String> = (0..gates.len()).map(|n| n.to_string()).collect();
        let pairs: Vec<_> = names.iter().map(String::as_str).zip(gates.iter().map(Option::as_deref)).collect();
        let gate = driver(&pairs);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let prior = gate.read().await.unwrap();
            gate.stop(&whole(&prior)).await.unwrap();
            gate.confirm_stopped(&whole(&prior), SOON).await.unwrap();
            gate.restore(&prior).await.unwrap();
            gate.confirm_resumed(&prior, SOON).await.unwrap();
            assert_eq!(gate.read().await.unwrap(), prior);
        });
        prop_assert_eq!(gate.services.gates(), gates);
    }
}

fn pod(uid: &str) -> ServingPod {
    ServingPod {
        name: format!("pod-{uid}"),
        uid: uid.to_owned(),
        revision_hash: "good".into(),
        ready: true,
        restarts: 0,
        port: 8000,
        images: Vec::new(),
        ip: None,
    }
}

#[tokio::test]
async fn retained_pods_stay_until_they_too_are_taken_out() {
    let driver = driver(&[("a", None), ("b", Some("maintenance"))]);
    let prior = driver.read().await.unwrap();
    driver.retain(&[pod("1"), pod("2")]).await.unwrap();
    let narrow = Stop::new(&prior, Keep::RetainedPods);
    for _ in 0..2 {
        driver.stop(&narrow).await.unwrap();
        let gates = driver.services.gates();
        assert_eq!(gates, [Some(RETAINED_LABEL.to_owned()), Some("maintenance".to_owned())]);
    }
    assert_eq!(driver.read().await.unwrap().status, TrafficStatus::Partial);
    let lines = driver.confirm_stopped(&narrow, SOON).await.unwrap();
    assert!(lines[0].contains("pod-1, pod-2"), "{lines:?}");
    driver.restore(&prior).await.unwrap();
    driver.confirm_resumed(&prior, SOON).await.unwrap();
    driver.stop(&narrow).await.unwrap();
    assert_eq!(driver.read().await.unwrap().status, TrafficStatus::Partial, "once more");
    driver.stop(&whole(&prior)).await.unwrap();
    assert_eq!(driver.services.gates()[0].as_deref(), Some(CLOSED));
    assert_eq!(driver.services.marked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn labels_stay_until_no_service_asks_for_them() {
    let driver = driver(&[("a", None), ("b", None)]);
    let prior = driver.read().await.unwrap();
    for ends in ["restored", "stopped as a whole"] {
        driver.retain(&[pod("1")]).await.unwrap();
        driver.stop(&Stop::new(&prior, Keep::RetainedPods)).await.unwrap();
        match ends {
            "restored" => driver.restore(&prior).await.unwrap(),
            _ => driver.stop(&whole(&prior)).await.unwrap(),
        }
        assert_eq!(driver.services.marked.lock().unwrap().len(), 0, "{ends}");
    }
}

#[tokio::test]
async fn the_marks_go_once_the_model_is_back_whoever_made_them() {
    let driver = driver(&[("a", Some(RETAINED_LABEL))]);
    *driver.services.marked.lock().unwrap() = vec!["1".to_owned()];
    let found = driver.read().await.unwrap();
    let wish = driver.enabled(&found).unwrap();
    driver.restore(&wish).await.unwrap();
    driver.post_run_notes().await;
    assert_eq!(driver.services.marked.lock().unwrap().len(), 0);
}

/// A stop that keeps nothing in traffic.
fn whole(prior: &TrafficState) -> Stop<'_> {
    Stop::new(prior, Keep::Nothing)
}
