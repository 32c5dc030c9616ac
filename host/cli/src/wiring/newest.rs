//! The newest revision's record.

pub(crate) use vllm_rollback_engine::CurrentRecord as Newest;
