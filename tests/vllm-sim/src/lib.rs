#![doc = include_str!("../README.md")]

pub mod answer;
pub mod api;
pub mod args;
pub mod faults;
pub mod lifecycle;
pub mod log;
pub mod metrics;
pub mod server;
