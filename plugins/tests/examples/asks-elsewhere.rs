//! Asks hosts that it was not granted, in every spelling it can think of. Passes only when one of them answered.

use vllm_rollback_plugin::prelude::*;

parameters! {
    /// Which hosts it asks for.
    pub struct Parameters {
        /// Targets as a request names them.
        targets: Vec<String> = vec![
            "host:169.254.169.254".to_owned(),
            "host:localhost".to_owned(),
            "host:elsewhere.example".to_owned(),
            "HOST:elsewhere.example".to_owned(),
            "pod@169.254.169.254".to_owned(),
            "http://169.254.169.254".to_owned(),
            "router".to_owned(),
            "pod".to_owned(),
            String::new(),
        ],
        /// The path it asks each for.
        path: String = "/latest/meta-data/".to_owned(),
    }
}

struct Plugin;

impl Check for Plugin {
    type Parameters = Parameters;

    fn manifest() -> Manifest {
        hostile::manifest("asks-elsewhere", "Asks hosts that it was not granted").needs(&[Capability::Host])
    }

    fn run(world: &impl World, _context: &Context, parameters: &Parameters) -> Finding {
        let mut denied = Verdict::error("every target was denied");
        for target in &parameters.targets {
            let request = Request {
                target: target.clone(),
                ..Request::get(Target::Pod, &parameters.path)
            };
            denied = match world.send(request) {
                Ok(answer) => {
                    let said = format!("{target} answered {}", answer.status);
                    return Ok(Verdict::pass(said).evidence(answer.text()));
                }
                Err(error) if error.is_no_answer() => {
                    // Not denied: somebody tried to connect, which is as bad.
                    return Ok(Verdict::pass(error.said(&format!("GET {target}"))));
                }
                Err(error) => denied.evidence(error.said(&format!("GET {target}"))),
            };
        }
        Err(denied)
    }
}

export_check!(Plugin);
