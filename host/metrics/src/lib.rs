//! What a server's own numbers say: Prometheus' text format, and vLLM's gauges and counters in it.
//!
//! Pure and bounded: the text comes from a pod that may be broken or hostile.

mod exposition;
mod vllm;

pub use exposition::{Exposition, LIMIT, ParseError, Sample};
pub use vllm::{HttpRequests, VllmMetrics};
