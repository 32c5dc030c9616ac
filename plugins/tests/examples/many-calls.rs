//! Calls the host ten million times, and would pass then.

use vllm_rollback_plugin::prelude::*;

parameters! {
    /// What it calls.
    pub struct Parameters {
        /// `clock`, `http` or `metrics`.
        call: String = "clock".to_owned(),
        /// How often.
        times: u32 = 10_000_000,
    }
}

struct Plugin;

impl Check for Plugin {
    type Parameters = Parameters;

    fn manifest() -> Manifest {
        hostile::manifest("many-calls", "Calls the host ten million times")
            .needs(&[Capability::Pod, Capability::Metrics])
            .default_timeout_ms(20_000)
    }

    fn run(world: &impl World, context: &Context, parameters: &Parameters) -> Finding {
        let pod = context.pods.first().map(|pod| pod.name.as_str()).unwrap_or_default();
        for number in 1..=parameters.times {
            let stopped = match parameters.call.as_str() {
                "clock" => {
                    world.now();
                    None
                }
                "http" => world.send(Request::get(Target::Pod, "/health")).err(),
                "metrics" => world.scrape(pod).err(),
                other => return Err(Verdict::error(format!("there is no call {other}"))),
            };
            if let Some(error) = stopped {
                return Err(error.tells_nothing(&format!("call {number}")));
            }
        }
        Ok(Verdict::pass(format!("made {} calls", parameters.times)))
    }
}

export_check!(Plugin);
