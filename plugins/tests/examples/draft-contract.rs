//! Built against the draft of contract 0.1.0 that was never released: `needs`, `phase`, `scope` and `outcome` were enums. Its
//! exports have the names of today's and other types.

#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::panic
)]
mod draft {
    wit_bindgen::generate!({
        world: "plugin",
        inline: "
            package vllm-rollback:plugin@0.1.0;
            interface types {
                enum phase {
                    direct,
                    routed,
                    observe,
                }
                enum scope {
                    per-pod,
                    per-release,
                }
                enum capability {
                    pod,
                    router,
                    cluster,
                    registry,
                    metrics,
                    host,
                }
                record manifest {
                    name: string,
                    version: string,
                    description: string,
                    phase: phase,
                    scope: scope,
                    needs: list<capability>,
                    parameters-schema: string,
                    default-timeout-ms: u32,
                    extra: list<tuple<string, string>>,
                }
                record pod {
                    name: string,
                    uid: string,
                    revision-hash: string,
                    ready: bool,
                    restarts: u32,
                    port: u16,
                    images: list<string>,
                }
                record context {
                    run-id: string,
                    release: string,
                    namespace: string,
                    revision: u32,
                    phase: phase,
                    model: option<string>,
                    environment: option<string>,
                    pod: option<pod>,
                    pods: list<pod>,
                    has-router: bool,
                    parameters: string,
                    extra: list<tuple<string, string>>,
                }
                enum outcome {
                    pass,
                    fail,
                    inconclusive,
                    error,
                }
                record measurement {
                    name: string,
                    value: f64,
                    unit: string,
                    limit: option<f64>,
                }
                record verdict {
                    outcome: outcome,
                    summary: string,
                    measurements: list<measurement>,
                    evidence: list<string>,
                }
            }
            interface check {
                use types.{manifest, context, verdict};
                describe: func() -> manifest;
                validate: func(context: context) -> verdict;
            }
            world plugin {
                export check;
            }
        ",
    });
}

#[cfg(target_arch = "wasm32")]
mod component {
    use super::draft::exports::vllm_rollback::plugin::check::Guest;
    use super::draft::vllm_rollback::plugin::types::{Capability, Context, Manifest, Outcome, Phase, Scope, Verdict};

    struct Plugin;

    impl Guest for Plugin {
        fn describe() -> Manifest {
            Manifest {
                name: "draft-contract".to_owned(),
                version: "0.1.0".to_owned(),
                description: "Passes, in the words of a draft".to_owned(),
                phase: Phase::Direct,
                scope: Scope::PerRelease,
                needs: vec![Capability::Cluster],
                parameters_schema: "{}".to_owned(),
                default_timeout_ms: 2_000,
                extra: Vec::new(),
            }
        }

        fn validate(_context: Context) -> Verdict {
            Verdict {
                outcome: Outcome::Pass,
                summary: "all is well".to_owned(),
                measurements: Vec::new(),
                evidence: Vec::new(),
            }
        }
    }

    #[allow(unsafe_code)]
    mod export {
        super::super::draft::export!(Plugin with_types_in super::super::draft);
        use super::Plugin;
    }
}
