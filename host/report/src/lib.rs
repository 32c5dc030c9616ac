//! Everything that people and programs read of a run.
//!
//! [`terminal::Terminal`] follows the engine's [`Event`](vllm_rollback_engine::event::Event)s on stderr while they
//! happen. What a verb prints on stdout is a [`document::Document`], drawn by one of the formats in [`render`]: data in,
//! text out. Texts carry ANSI styles, which the caller's `anstream` strips where they are not wanted.

mod cause;
pub mod document;
pub mod error;
pub mod history;
pub mod plan;
pub mod registry;
pub mod render;
pub mod replay;
pub mod run;
mod sanitize;
pub mod status;
pub mod style;
pub mod terminal;
pub mod text;
mod time;
mod traffic;
mod verdict;

#[cfg(test)]
mod fixtures;
