//! The newest record, as adapters read it.

use std::sync::Arc;

use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ApplyMethod, ReleaseStatus, Revision};

use crate::sim::build::{crashed, record};
use crate::sim::{Client, Sim, finish};

/// A client, and the newest record as it sees it.
fn reading(sim: &Sim) -> (Arc<Client>, CurrentRecord) {
    let client = Arc::new(Client::new(sim, "run-1"));
    (Arc::clone(&client), CurrentRecord::new(client))
}

#[test]
fn it_is_read_again_only_when_the_history_says_that_it_changed() {
    let sim = crashed();
    let (client, current) = reading(&sim);
    let read = || finish(&client, current.record()).unwrap().unwrap();
    let reads = || {
        client
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| **call == "record")
            .count()
    };
    assert_eq!(
        (read().revision, read().revision, reads()),
        (Revision(2), Revision(2), 1)
    );
    sim.world().records[1].status = ReleaseStatus::Failed;
    assert_eq!((read().status, reads()), (ReleaseStatus::Failed, 2));
    sim.world().records.push(record(3, ReleaseStatus::Deployed, "good"));
    assert_eq!((read().revision, reads()), (Revision(3), 3));
    sim.world().records.clear();
    let none = finish(&client, current.record()).unwrap().unwrap_err();
    assert_eq!(none.kind, FailureKind::NotFound);
}

#[test]
fn it_turned_client_side_only_as_a_rollback_to_what_was_applied_server_side() {
    use ApplyMethod::{ClientSide, ServerSide};
    let turned = |origin, newest, rolled_back_to| {
        let sim = crashed();
        {
            let mut world = sim.world();
            world.records[0].apply_method = origin;
            world.records[1].apply_method = newest;
            world.records[1].rolled_back_to = rolled_back_to;
        }
        let (client, current) = reading(&sim);
        finish(&client, current.turned_client_side()).unwrap().unwrap()
    };
    let rollback = Some(Revision(1));
    assert!(turned(ServerSide, ClientSide, rollback));
    assert!(!turned(ClientSide, ClientSide, rollback));
    assert!(!turned(ServerSide, ServerSide, rollback));
    assert!(!turned(ServerSide, ClientSide, None));
}
