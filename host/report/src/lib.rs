//! Everything that people and programs read of a run.
//!
//! [`terminal::Terminal`] follows the engine's [`Event`](vllm_rollback_engine::event::Event)s on stderr while they
//! happen; the other modules draw results for stdout. Renderers are pure: data in, text out. Texts carry ANSI styles,
//! which the caller's `anstream` strips where they are not wanted.

mod cause;
pub mod clean;
pub mod error;
pub mod history;
pub mod json;
pub mod look;
pub mod page;
pub mod plan;
pub mod registry;
pub mod run;
pub mod status;
pub mod terminal;
pub mod time;
pub mod verdict;

#[cfg(test)]
mod samples;
