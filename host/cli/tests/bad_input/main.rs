//! Bad input of every kind ends in one clear error with a next step, and never in a panic.

mod arguments;
mod cluster;
mod configuration;
mod fixture;
mod words;
