//! The shipped binary on a real cluster with real Helm. One cluster serves all cases; each has a namespace of its own.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used)]

mod bad_input;
mod causes;
mod checks;
mod consent;
mod drift;
mod drivers;
mod faults;
mod fixture;
mod gateway;
mod gitops;
mod helm_plugin;
mod helm_records;
mod helm_traps;
mod helm_writers;
mod lock;
mod owners;
mod permissions;
mod postgres;
mod replaying;
mod roles;
mod scenarios;
mod secrets;
mod service_gate;
mod several;
mod signals;
mod targets;
mod unfinished;

/// One case on Helm 3 and on Helm 4: `on_both_helms!(name, |major| { … })`.
#[macro_export]
macro_rules! on_both_helms {
    ($name:ident, |$major:ident| $body:block) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn case($major: vllm_rollback_harness::helm::Major) $body

            #[test]
            fn on_helm_3() {
                case(vllm_rollback_harness::helm::Major::Three);
            }

            #[test]
            fn on_helm_4() {
                case(vllm_rollback_harness::helm::Major::Four);
            }
        }
    };
}
