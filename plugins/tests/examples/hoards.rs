//! Asks the host for everything that it may, and looks for secrets in what it was handed. Passes only when it found none.

use vllm_rollback_plugin::LogOf;
use vllm_rollback_plugin::prelude::*;

/// How every secret of the tests begins.
const CANARY: &str = "canary-";

struct Plugin;

impl Check for Plugin {
    type Parameters = NoParameters;

    fn manifest() -> Manifest {
        hostile::manifest("hoards", "Looks for secrets in everything that it is handed")
            .needs(&[
                Capability::Pod,
                Capability::Cluster,
                Capability::Registry,
                Capability::Metrics,
            ])
            .default_timeout_ms(30_000)
    }

    fn run(world: &impl World, context: &Context, _parameters: &NoParameters) -> Finding {
        let mut hoard = vec![
            format!("{context:?}"),
            format!("{:?}", std::env::vars().collect::<Vec<_>>()),
        ];
        hoard.push(format!("{:?}", std::env::args().collect::<Vec<_>>()));
        hoard.push(format!("{:?}", world.registry()));
        hoard.push(format!("{:?}", world.events()));
        let pods = world.pods();
        hoard.push(format!("{pods:?}"));
        for pod in pods.into_iter().flatten() {
            hoard.push(format!("{:?}", world.scrape(&pod.name)));
            for container in &pod.containers {
                for which in [LogOf::Current, LogOf::Previous] {
                    hoard.push(format!("{:?}", world.log_tail(&pod.name, &container.name, which, 500)));
                }
            }
        }
        for path in ["/health", "/v1/models", "/metrics", "/version"] {
            let answer = world.send(Request::get(Target::Pod, path));
            hoard.push(format!("{:?}", answer.map(|answer| (answer.text(), answer.headers))));
        }
        let answers = hoard.iter().filter(|text| text.starts_with("Ok")).count();
        if answers < 5 {
            return Err(Verdict::error(format!("only {answers} calls were answered")));
        }
        match hoard.iter().position(|text| text.contains(CANARY)) {
            None => Ok(Verdict::pass(format!("no secret in {} texts", hoard.len()))),
            Some(at) => Err(Verdict::fail(format!("a secret is in text {at} of {}", hoard.len()))),
        }
    }
}

export_check!(Plugin);
