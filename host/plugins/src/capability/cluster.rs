//! `cluster`: the release's pods, events and logs.

use vllm_rollback_engine::check::CheckContext;
use vllm_rollback_objects::event::Event;
use vllm_rollback_objects::pod::{Container, LogOf, Pod};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::cluster::{self as abi, Host};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types::CallError;

use super::{Capability, within};
use crate::instance::CheckInstance;
use crate::untrusted;

/// Most lines and bytes of a log that a check is given.
const LOG_LINES: u32 = 500;
const LOG_BYTES: usize = 64 * 1024;

impl Host for CheckInstance {
    async fn pods(&mut self) -> wasmtime::Result<Result<Vec<abi::PodStatus>, CallError>> {
        self.budget.call()?;
        let answer = async {
            let target = self.granted(Capability::Cluster)?;
            let pods = within(self.left(), target.services.cluster.pods()).await?;
            Ok(concerned(&target.context, pods).into_iter().map(pod).collect())
        };
        Ok(answer.await)
    }

    async fn events(&mut self) -> wasmtime::Result<Result<Vec<abi::Event>, CallError>> {
        self.budget.call()?;
        let answer = async {
            let target = self.granted(Capability::Cluster)?;
            let events = within(self.left(), target.services.cluster.events()).await?;
            Ok(events.into_iter().map(event).collect())
        };
        Ok(answer.await)
    }

    async fn log_tail(
        &mut self,
        pod: String,
        container: String,
        previous: bool,
        lines: u32,
    ) -> wasmtime::Result<Result<String, CallError>> {
        self.budget.call()?;
        let answer = async {
            let target = self.granted(Capability::Cluster)?;
            let which = if previous { LogOf::Previous } else { LogOf::Current };
            let cluster = &target.services.cluster;
            let tail = cluster.log_tail(&pod, &container, which, lines.clamp(1, LOG_LINES));
            within(self.left(), tail).await.map(|text| last(&text).to_owned())
        };
        Ok(answer.await)
    }
}

/// All pods, or those that are judged by themselves: what they run is what should run then.
fn concerned(context: &CheckContext, mut pods: Vec<Pod>) -> Vec<Pod> {
    if context.is_subset {
        pods.retain(|pod| context.pods.iter().any(|concerned| concerned.uid == pod.uid));
        for pod in &mut pods {
            pod.of_target = true;
        }
    }
    pods
}

/// The last bytes that a check may have, from the start of a line when possible.
fn last(text: &str) -> &str {
    let cut = &text[text.ceil_char_boundary(text.len().saturating_sub(LOG_BYTES))..];
    match cut.find('\n') {
        Some(end) if cut.len() < text.len() => &cut[end + 1..],
        _ => cut,
    }
}

fn pod(pod: Pod) -> abi::PodStatus {
    abi::PodStatus {
        name: pod.name,
        uid: pod.uid,
        revision_hash: pod.revision_hash,
        of_target: pod.of_target,
        phase: pod.phase,
        ready: pod.ready,
        terminating: pod.terminating,
        containers: pod.containers.into_iter().map(container).collect(),
        age_seconds: pod.age_seconds,
        extra: Vec::new(),
    }
}

fn container(container: Container) -> abi::Container {
    abi::Container {
        name: container.name,
        image: container.image,
        ready: container.ready,
        restarts: container.restarts,
        state: container.state,
        reason: container.reason,
        exit_code: container.exit_code,
        extra: Vec::new(),
    }
}

fn event(event: Event) -> abi::Event {
    abi::Event {
        object: event.object,
        reason: event.reason,
        message: untrusted::line(&event.message, 1000),
        count: event.count,
        warning: event.warning,
        extra: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_cut_at_its_start_between_lines() {
        let text = "0123456789\n".repeat(10_000);
        let tail = last(&text);
        assert!(tail.len() <= LOG_BYTES && tail.starts_with("0123") && text.ends_with(tail));
        assert_eq!(last("short"), "short");
    }
}
