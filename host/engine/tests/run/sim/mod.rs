//! A world in memory: a release, its pods, a registry, checks, a lock and a journal, with trouble on demand.

pub(crate) mod build;
mod client;
mod executor;
mod lock_and_journal;
pub(crate) mod state;
mod traffic;
mod workloads;

pub(crate) use client::{Client, Fault, Trouble};
pub(crate) use executor::{finish, interleave};
pub(crate) use state::{Health, HelmEnd, Sim};
pub(crate) use traffic::UNMANAGED;
