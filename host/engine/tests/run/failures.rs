//! What a failure says.

use vllm_rollback_engine::failure::{Failure, FailureKind};

#[test]
fn causes_are_listed_once_each_from_the_outside_in() {
    let io = std::io::Error::other("disk full");
    let failure = Failure::new(FailureKind::Internal, "cannot write the journal")
        .caused_by(&io)
        .caused_by(&io);
    assert_eq!(failure.to_string(), "cannot write the journal: disk full");
}
