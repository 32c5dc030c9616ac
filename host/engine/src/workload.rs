//! What runs for a release: pods, why they are not ready, and how they differ from the manifest.

use serde::{Deserialize, Serialize};

/// A pod that serves the model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServingPod {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod: a pod of the same name later is another pod.
    pub uid: String,
    /// `pod-template-hash` or `controller-revision-hash`: one value for all pods of a revision.
    pub revision_hash: String,
    /// The Ready condition.
    pub ready: bool,
    /// Restarts of all its containers.
    pub restarts: u32,
    /// Container port that serves the model.
    pub port: u16,
    /// Image references of its containers.
    pub images: Vec<String>,
    /// IP address, once the pod has one.
    pub ip: Option<String>,
}

/// Reason why a pod or workload is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseReason {
    /// The image cannot be pulled.
    ImagePull,
    /// A container exits again and again.
    CrashLoop,
    /// A container was killed for want of memory.
    OutOfMemory,
    /// No node can take the pod.
    Unschedulable,
    /// The startup probe failed until the kubelet gave up.
    StartupProbe,
    /// The readiness probe fails.
    ReadinessProbe,
    /// The liveness probe fails and the container is restarted.
    LivenessProbe,
    /// A PersistentVolumeClaim is absent or not bound.
    MissingVolumeClaim,
    /// A ConfigMap is absent.
    MissingConfigMap,
    /// A Secret is absent.
    MissingSecret,
    /// The pod could not be created: quota, policy, a webhook.
    CreateRefused,
    /// The Deployment's own progress deadline passed.
    ProgressDeadline,
    /// A container cannot be created or started.
    ContainerCreate,
    /// The node evicted or lost the pod.
    Evicted,
    /// Nothing named itself before the deadline.
    Deadline,
}

/// A named cause, with what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Reason, by kind.
    pub reason: CauseReason,
    /// `Pod/llama-… container vllm`, `Deployment/…`.
    pub object: String,
    /// One line for people, with numbers: exit code, what is missing, the probe's answer.
    pub message: String,
    /// Last log lines, event texts.
    pub evidence: Vec<String>,
    /// `true` when waiting does not heal it, so that the wait ends now.
    pub terminal: bool,
    /// Commands to type next.
    pub next: Vec<String>,
}

/// A difference between the target's manifest and what the cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// `Deployment/llama-…`.
    pub object: String,
    /// Path of the field: `spec.template.spec.containers[vllm].env[X].value`.
    pub path: String,
    /// Value in the target; redacted in Secrets.
    pub wanted: Option<String>,
    /// Value in the cluster; redacted in Secrets.
    pub live: Option<String>,
}

/// The workloads are ready: one revision only, as many pods as asked for, live spec as in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The serving pods, all of one revision for each workload.
    pub pods: Vec<ServingPod>,
    /// `Deployment/x: generation 4 observed, 1/1 updated and available, hash 7b8f`.
    pub evidence: Vec<String>,
}

/// End of the requests that were in flight before the pods were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Running and waiting requests at the end; none when no pod could be asked.
    pub in_flight: Option<u64>,
    /// The deadline passed before they were 0.
    pub deadline_passed: bool,
    /// Counters that each pod reported.
    pub evidence: Vec<String>,
}

/// Severity of a preflight finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Looked at, in order.
    Ok,
    /// Could not be looked at.
    Unknown,
    /// Go on, but know this.
    Warning,
    /// The run does not start.
    Refuse,
}

/// Something looked at before anything changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Severity of the finding.
    pub severity: Severity,
    /// Stable word: `helm`, `rbac`, `gpu-room`, `image`, `secret`, `config-map`, `volume-claim`, `gitops`, `owner`, `autoscaler`, `history-max`.
    pub subject: String,
    /// Observation, for people.
    pub message: String,
    /// Remedies, best first.
    pub next: Vec<String>,
}

impl Finding {
    /// A finding with nothing to do about it yet.
    pub fn new(severity: Severity, subject: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            subject: subject.to_owned(),
            message: message.into(),
            next: Vec::new(),
        }
    }

    /// Nothing stands in the way.
    pub fn ok(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Ok, subject, message)
    }

    /// Makes a finding of what could not be observed.
    pub fn unknown(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Unknown, subject, message)
    }

    /// Makes a finding of what may go wrong.
    pub fn warning(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, subject, message)
    }

    /// Makes a finding that stops the run.
    pub fn refuse(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Refuse, subject, message)
    }

    /// Adds what helps, best first.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next.push(step.into());
        self
    }
}

/// The object of a GitOps controller that owns the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitOpsOwner {
    /// `Flux's HelmRelease flux-system/llama`.
    pub what: String,
    /// Path at which the API serves the object.
    pub path: String,
    /// `true` when the controller leaves the release alone for now; none when that cannot be read.
    pub is_suspended: Option<bool>,
    /// The merge patch that suspends it.
    pub stop: serde_json::Value,
    /// The merge patch that brings back what it says now.
    pub restore: serde_json::Value,
    /// Reason why a run could not suspend it; none when it could.
    pub hindrance: Option<String>,
    /// The command that lets it go on.
    pub go_on: String,
}

impl GitOpsOwner {
    /// Returns what the operator has to do once the run is over.
    pub fn post_run_notes(&self) -> String {
        format!("afterwards: revert the commit in Git, then {}", self.go_on)
    }
}

/// Pods of the target's revision that still serve, as when an upgrade is stuck, and the pods beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSplit {
    /// Ready pods that run the target's template.
    pub good: Vec<ServingPod>,
    /// All others.
    pub others: Vec<ServingPod>,
}

impl PodSplit {
    /// `2 ready pods run what the target asks for (a, b); 1 runs something else (c, not ready)`.
    pub fn sentence(&self) -> String {
        let list = |pods: &[ServingPod]| {
            let name = |pod: &ServingPod| match pod.ready {
                true => pod.name.clone(),
                false => format!("{}, not ready", pod.name),
            };
            pods.iter().map(name).collect::<Vec<_>>().join("; ")
        };
        format!(
            "{} ready with what the target asks for ({}), {} with something else ({})",
            counted(self.good.len(), "pod"),
            list(&self.good),
            counted(self.others.len(), "pod"),
            list(&self.others)
        )
    }
}

/// `1 pod`, `2 pods`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Facts and findings from the cluster before the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preflight {
    /// All findings, also the good ones.
    pub findings: Vec<Finding>,
    /// Seconds the target's own probes allow for start-up, plus scheduling and pull allowance: the readiness deadline.
    pub startup_budget_seconds: u64,
    /// The model name clients ask for, when the target's manifest tells it.
    pub model: Option<String>,
    /// Names of the Services that select the release's serving pods.
    pub services: Vec<String>,
    /// The GitOps controller that owns the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops: Option<GitOpsOwner>,
    /// The pods that run what the target asks for, and the others; none when no ready pod does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<PodSplit>,
}

/// A file of evidence of the bad revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// `pods.json`, `logs/llama-….vllm.previous.log`.
    pub name: String,
    /// Content, bounded and without Secrets.
    pub content: String,
}
