//! Where a manifest's objects are in the API.

pub(crate) mod mapping;

pub(crate) use mapping::Mapper;
pub(crate) use vllm_rollback_objects::identity::Object;
pub(crate) use vllm_rollback_objects::manifest::Manifest;
pub(crate) use vllm_rollback_objects::served_model::served_model;
pub(crate) use vllm_rollback_objects::workload::{Workload, WorkloadKind, selects};
