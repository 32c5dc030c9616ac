//! The lock and the journal.

use async_trait::async_trait;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::journal::{Entry, Journalled, RunState};
use vllm_rollback_engine::ports::{Journal, Lock, LockError, LockRequest};
use vllm_rollback_engine::workload::EvidenceItem;

use super::client::Client;
use super::state::World;

fn not_another_s(world: &World, run_id: &str) -> Result<(), LockError> {
    match &world.lock {
        Some((holder, why)) if holder != run_id && !world.dead.contains(holder) => {
            let failure = Failure::new(FailureKind::Locked, format!("locked by {holder}"));
            Err(LockError::NotOurs(failure.because(why.clone())))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl Lock for Client {
    async fn acquire(&self, claim: &LockRequest) -> Result<Vec<String>, LockError> {
        let take = |world: &mut World| {
            not_another_s(world, &claim.run_id)?;
            let why = claim.reason.clone().unwrap_or_default();
            world.lock = Some((claim.run_id.clone(), why));
            Ok(vec![format!("Lease held by {}", claim.run_id)])
        };
        self.call("acquire", |world| Ok(take(world))).await?
    }

    async fn assert_held(&self) -> Result<(), LockError> {
        let run_id = &self.request.run_id;
        self.call("assert_held", |world| Ok(not_another_s(world, run_id)))
            .await?
    }

    async fn release(&self) -> Result<(), Failure> {
        let run_id = self.request.run_id.clone();
        self.call("release", |world| {
            if world.lock.as_ref().is_some_and(|(holder, _)| *holder == run_id) {
                world.lock = None;
            }
            Ok(())
        })
        .await
    }

    async fn assert_free(&self) -> Result<(), LockError> {
        let run_id = &self.request.run_id;
        self.call("assert_free", |world| Ok(not_another_s(world, run_id)))
            .await?
    }

    async fn assert_expired(&self) -> Result<(), LockError> {
        let run_id = &self.request.run_id;
        self.call("assert_dead", |world| Ok(not_another_s(world, run_id)))
            .await?
    }

    async fn force_release(&self) -> Result<Vec<String>, Failure> {
        self.call("break_open", |world| {
            let held = world.lock.take();
            Ok(held
                .map(|(holder, _)| format!("run {holder} held it"))
                .into_iter()
                .collect())
        })
        .await
    }
}

#[async_trait]
impl Journal for Client {
    async fn load_state(&self) -> Result<RunState, Failure> {
        self.call("memory", |world| Ok(world.memory.clone())).await
    }

    async fn append(&self, entry: &Entry) -> Result<(), Failure> {
        self.call("append", |world| {
            world.journal.push(entry.clone());
            Ok(())
        })
        .await
    }

    async fn records(&self, run_id: &str) -> Result<Journalled, Failure> {
        self.call("records", |world| {
            let entries = world.journal.iter().filter(|entry| entry.run_id == run_id);
            Ok(Journalled {
                entries: entries.cloned().collect(),
                damaged: world.damaged_line,
            })
        })
        .await
    }

    async fn save_state(&self, memory: &RunState) -> Result<(), Failure> {
        let run_id = self.request.run_id.clone();
        self.call("remember", |world| {
            world.changes(&run_id, "remember");
            world.memory = memory.clone();
            Ok(())
        })
        .await
    }

    async fn keep(&self, run_id: &str, items: &[EvidenceItem]) -> Result<Vec<String>, Failure> {
        let kept: Vec<_> = items.iter().map(|item| format!("{run_id}/{}", item.name)).collect();
        self.call("keep", |world| {
            world.kept.extend(kept.iter().cloned());
            Ok(kept)
        })
        .await
    }
}
