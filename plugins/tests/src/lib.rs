//! Components that misbehave, one per file in `examples/`, for the tests of the host. `build.sh` puts them into
//! `target/plugins/test/`. Only `always-passes`, `floods-logs` and `hoards` may end as a pass.

use vllm_rollback_plugin::{Manifest, Phase};

/// A manifest with the usual values: once per release, phase direct, no needs, 2 seconds.
pub fn manifest(name: &str, description: &str) -> Manifest {
    Manifest::new(name, env!("CARGO_PKG_VERSION"), description)
        .per_release(Phase::Direct)
        .default_timeout_ms(2_000)
}

/// A component without parameters or needs: its name, its description, and what it does when it is run.
#[macro_export]
macro_rules! plugin {
    ($name:literal, $description:literal, |$world:ident, $context:ident| $body:expr) => {
        struct Plugin;

        impl vllm_rollback_plugin::Check for Plugin {
            type Parameters = vllm_rollback_plugin::NoParameters;

            fn manifest() -> vllm_rollback_plugin::Manifest {
                $crate::manifest($name, $description)
            }

            fn run(
                $world: &impl vllm_rollback_plugin::World,
                $context: &vllm_rollback_plugin::Context,
                _parameters: &vllm_rollback_plugin::NoParameters,
            ) -> vllm_rollback_plugin::Finding {
                $body
            }
        }

        vllm_rollback_plugin::export_check!(Plugin);
    };
}
