//! Secrets stay out of everything that a run prints, writes or starts.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vllm_rollback_harness::databases::{PASSWORD, Postgres, Redis};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::names::Names;
use vllm_rollback_harness::router::{API_KEY, Router};
use vllm_rollback_harness::{paths, process::Running};

use crate::fixture::{CRASH, MODEL, Model, RELEASE, SERVICE};

/// A key in a Secret of the chart.
const IN_THE_CHART: &str = "canary-4f1d-chart";
/// Beside the tool in its environment.
const OF_THE_ENVIRONMENT: &str = "canary-9b2e-environment";

#[test]
fn no_secret_is_in_anything_that_a_run_leaves() {
    let key = format!("apiKey.value={IN_THE_CHART}");
    let values = ["apiKey.enabled=true", key.as_str()];
    let model = Model::good_with("secret", Major::Four, &values);
    let other = format!("apiKey.value={IN_THE_CHART}-2");
    model.upgrade(2, &[CRASH, "apiKey.enabled=true", &other]);
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let endpoint = format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name);
    postgres.register(MODEL, "production", &endpoint, "ready");
    let (_, _, token) = model.namespace.testbed.api().credentials();
    let tool = model
        .tool()
        .env("REGISTRY_DSN", &postgres.url())
        .env("CACHE_URL", &redis.url())
        .env("ROUTER_KEY", API_KEY)
        .env("UNRELATED_SECRET", OF_THE_ENVIRONMENT);
    let registry = [
        "--registry",
        "postgres",
        "--model",
        MODEL,
        "--environment",
        "production",
        "--postgres-dsn-env",
        "REGISTRY_DSN",
    ];
    // A check that looks for secrets in everything that it is handed, and fails when it finds one.
    let plugin = paths::test_plugin("hoards");
    let grants = ["pod", "cluster", "registry", "metrics"].map(|need| format!("hoards={need}"));
    let grants = grants.iter().flat_map(|grant| ["--grant", grant]);
    let more = ["rollback", RELEASE, "--yes", "-o", "json", "-vv"]
        .into_iter()
        .chain(grants);
    let names = Names::follow(BTreeMap::from([(endpoint, model.namespace.client(SERVICE))]));
    let router = Router::start(&postgres, &redis, "production", names);
    let router_url = router.url();
    let through = [
        "--router-url",
        &router_url,
        "--router-key-env",
        "ROUTER_KEY",
        "--redis-url-env",
        "CACHE_URL",
    ];
    let mut said = String::new();
    let plan = tool.run(&[&["plan", RELEASE], &registry[..]].concat());
    said.push_str(&plan.stdout);
    said.push_str(&plan.stderr);
    let plugin = plugin.to_string_lossy();
    let more: Vec<&str> = more.chain(["--plugin", &plugin]).collect();
    let mut running = tool.start(&[&more[..], &registry[..], &through[..]].concat());
    let arguments = Arguments::of(running.pid());
    let output = drain(&mut running);
    assert!(running.wait(Duration::from_secs(180)).is_some());
    assert!(output.contains("no secret in"), "the hoarding check: {output}");
    said.push_str(&output);
    said.push_str(&arguments.seen());
    collect(tool.state_home(), &mut said);
    let api = model.namespace.testbed.api();
    let name = &model.namespace.name;
    for path in [
        format!("/api/v1/namespaces/{name}/configmaps"),
        format!("/apis/coordination.k8s.io/v1/namespaces/{name}/leases"),
        format!("/api/v1/namespaces/{name}/events"),
    ] {
        said.push_str(&api.get(&path).unwrap_or_default().to_string());
    }
    assert!(said.contains("vllm-rollback"), "something was collected");
    let encoded = encoded(&model);
    let plain = [IN_THE_CHART, OF_THE_ENVIRONMENT, API_KEY, PASSWORD, token.as_str()];
    for secret in plain.into_iter().chain(encoded.iter().map(String::as_str)) {
        assert!(!said.contains(secret), "{secret} leaked:\n{}", around(&said, secret));
    }
}

/// The values of the chart's Secrets as the API shows them.
fn encoded(model: &Model) -> Vec<String> {
    let path = format!(
        "/api/v1/namespaces/{}/secrets?fieldSelector=type%3DOpaque",
        model.namespace.name
    );
    let secrets = model
        .namespace
        .testbed
        .api()
        .get(&path)
        .expect("the chart has a Secret");
    let data = secrets["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|secret| secret["data"].as_object());
    let values: Vec<String> = data
        .flat_map(|data| data.values().filter_map(|v| v.as_str().map(str::to_owned)))
        .collect();
    assert!(!values.is_empty());
    values
}

fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or(0);
    text.chars().skip(at.saturating_sub(300)).take(400).collect()
}

/// Both streams, to their ends.
fn drain(running: &mut Running) -> String {
    use std::io::Read;
    let mut stderr = running.child().stderr.take().expect("stderr is piped");
    let mut stdout = running.child().stdout.take().expect("stdout is piped");
    let other = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut text = String::new();
    let _ = stdout.read_to_string(&mut text);
    text + &other.join().unwrap_or_default()
}

fn collect(directory: &Path, into: &mut String) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            let mode = std::fs::metadata(&path)
                .expect("it was just listed")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{} is for its owner alone", path.display());
            into.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
        }
    }
}

/// Command lines of a process and its children, as anybody on the machine could read them.
struct Arguments {
    stop: Arc<AtomicBool>,
    watching: std::thread::JoinHandle<String>,
}

impl Arguments {
    fn of(pid: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watching = std::thread::spawn(move || {
            let mut seen = std::collections::BTreeSet::new();
            while !stopped.load(Ordering::SeqCst) {
                let children = std::fs::read_dir(format!("/proc/{pid}/task"))
                    .into_iter()
                    .flatten()
                    .flatten();
                let children = children
                    .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
                    .collect::<Vec<_>>()
                    .join(" ");
                for process in children.split_whitespace().chain([pid.to_string().as_str()]) {
                    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
                    seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            seen.into_iter().collect::<Vec<_>>().join("\n")
        });
        Self { stop, watching }
    }

    fn seen(self) -> String {
        self.stop.store(true, Ordering::SeqCst);
        self.watching.join().unwrap_or_default()
    }
}
