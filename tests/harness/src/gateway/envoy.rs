//! A real Envoy, whose configuration is files: it reads each again when another is renamed into its place.
//!
//! Tried with Envoy 1.40: a new route holds for the next request on an open connection after 2 ms; requests that are under
//! way go on, even when their cluster is gone; a rule of which every weight is 0 is refused as a whole, and the former one
//! stays, so a control plane has to write a direct response instead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::translate::Config;
use crate::process::Running;
use crate::testbed::HANG;
use crate::{http, paths, wait};

const ADMIN: &str = "admin.sock";
const LISTENERS: &str = "listeners.json";
const CLUSTERS: &str = "clusters.json";
const ROUTES: &str = "routes.json";

/// Puts the name of the model into a header, as Envoy AI Gateway does before the route is chosen.
const MODEL_HEADER: &str = r#"
function envoy_on_request(request)
  local body = request:body()
  if body == nil then return end
  local model = body:getBytes(0, body:length()):match('"model"%s*:%s*"([^"]*)"')
  if model ~= nil then request:headers():replace("x-ai-eg-model", model) end
end
"#;

/// A running replica of the gateway.
#[derive(Debug)]
pub(super) struct Envoy {
    address: String,
    dir: PathBuf,
    _running: Running,
}

impl Envoy {
    /// Starts one in each of these directories, which it makes, and waits until all listen. None when Envoy is not
    /// installed: see [`paths::router`].
    ///
    /// # Panics
    /// When one does not start; its log is shown.
    pub(super) fn start(dirs: &[PathBuf]) -> Option<Vec<(Self, Files)>> {
        let program = paths::router("envoy")?;
        let mut starting = Vec::new();
        for dir in dirs {
            std::fs::create_dir(dir).expect("a fresh directory");
            write(dir, "bootstrap.json", &bootstrap(dir)).expect("a fresh directory is writable");
            write(dir, LISTENERS, &resources([listener(dir)])).expect("a fresh directory is writable");
            let files = Files::new(dir).expect("a fresh directory is writable");
            let mut command = Command::new(&program);
            command
                .arg("-c")
                .arg(dir.join("bootstrap.json"))
                .arg("--log-path")
                .arg(dir.join("envoy.log"))
                // Hot restart would share memory with every other Envoy of this machine.
                .args(["--concurrency", "1", "--log-level", "warn", "--disable-hot-restart"]);
            starting.push((dir, files, Running::start_bound(&command)));
        }
        let listening = |(dir, files, mut running): (&PathBuf, Files, Running)| {
            let address = wait::until("Envoy that listens", HANG, || {
                let ended = running.child().try_wait().ok().flatten();
                let log = || std::fs::read_to_string(dir.join("envoy.log")).unwrap_or_default();
                assert!(ended.is_none(), "Envoy ended: {}", log());
                address(dir)
            });
            let envoy = Self {
                address,
                dir: dir.clone(),
                _running: running,
            };
            (envoy, files)
        };
        Some(starting.into_iter().map(listening).collect())
    }

    /// How to reach it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it did not take: `name: number` of each counter of refused updates.
    pub(super) fn refused(&self) -> Vec<String> {
        let stats = admin(&self.dir, "/stats?filter=update_rejected&usedonly").unwrap_or_default();
        stats
            .lines()
            .filter(|line| !line.ends_with(": 0"))
            .map(str::to_owned)
            .collect()
    }
}

/// Where it listens, once it has its routes.
fn address(dir: &Path) -> Option<String> {
    admin(dir, "/ready").filter(|ready| ready.starts_with("LIVE"))?;
    let listeners = admin(dir, "/listeners")?;
    Some(listeners.trim().strip_prefix("http::")?.to_owned())
}

fn admin(dir: &Path, path: &str) -> Option<String> {
    http::block_on(async {
        let client = http::client(Duration::from_secs(5))
            .unix_socket(dir.join(ADMIN))
            .build()
            .ok()?;
        let response = client.get(format!("http://envoy{path}")).send().await.ok()?;
        response.text().await.ok()
    })
}

/// A replica's files.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    hosts: Value,
    /// A cluster stays: what is on its way to it may be.
    clusters: BTreeMap<String, BTreeSet<String>>,
}

impl Files {
    /// Without a route. Envoy starts only with every file in its place.
    fn new(dir: &Path) -> std::io::Result<Self> {
        let files = Self {
            dir: dir.to_owned(),
            hosts: json!([]),
            clusters: BTreeMap::new(),
        };
        files.write_clusters()?;
        files.write_routes()?;
        Ok(files)
    }

    /// Writes what differs, in the order in which each finds what it names.
    pub(super) fn update(&mut self, config: &Config) -> std::io::Result<()> {
        let number = self.clusters.len();
        for (name, addresses) in &config.clusters {
            if self.clusters.get(name) != Some(addresses) {
                let file = endpoints_file(name);
                write(&self.dir, &file, &resources([endpoints(name, addresses)]))?;
                self.clusters.insert(name.clone(), addresses.clone());
            }
        }
        if self.clusters.len() != number {
            self.write_clusters()?;
        }
        if self.hosts != config.hosts {
            self.hosts = config.hosts.clone();
            self.write_routes()?;
        }
        Ok(())
    }

    fn write_clusters(&self) -> std::io::Result<()> {
        let clusters = self.clusters.keys().map(|name| cluster(&self.dir, name));
        write(&self.dir, CLUSTERS, &resources(clusters))
    }

    fn write_routes(&self) -> std::io::Result<()> {
        let routes = json!({
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "name": "routes", "virtual_hosts": self.hosts,
        });
        write(&self.dir, ROUTES, &resources([routes]))
    }
}

/// Renamed into place: Envoy watches for that alone.
fn write(dir: &Path, name: &str, content: &Value) -> std::io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    std::fs::write(&temporary, content.to_string())?;
    std::fs::rename(temporary, dir.join(name))
}

fn resources(all: impl IntoIterator<Item = Value>) -> Value {
    json!({ "resources": all.into_iter().collect::<Vec<_>>() })
}

fn source(dir: &Path, name: &str) -> Value {
    json!({ "resource_api_version": "V3", "path_config_source": { "path": dir.join(name) } })
}

fn bootstrap(dir: &Path) -> Value {
    json!({
        "node": { "id": "replica", "cluster": "gateway" },
        "admin": { "address": { "pipe": { "path": dir.join(ADMIN) } } },
        "dynamic_resources": { "lds_config": source(dir, LISTENERS), "cds_config": source(dir, CLUSTERS) },
    })
}

/// On a port that is free, without SO_REUSEPORT: another Envoy must not get half of the connections.
fn listener(dir: &Path) -> Value {
    let filter = |name: &str, kind: &str, mut config: Value| {
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.{kind}"));
        json!({ "name": name, "typed_config": config })
    };
    let source_code = json!({ "default_source_code": { "inline_string": MODEL_HEADER } });
    let http_filters = [
        filter("lua", "http.lua.v3.Lua", source_code),
        filter("router", "http.router.v3.Router", json!({})),
    ];
    let manager = json!({
        "stat_prefix": "http",
        "strip_any_host_port": true,
        "http_filters": http_filters,
        "rds": { "route_config_name": "routes", "config_source": source(dir, ROUTES) },
    });
    let manager = filter(
        "http",
        "network.http_connection_manager.v3.HttpConnectionManager",
        manager,
    );
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "http",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "enable_reuse_port": false,
        "filter_chains": [{ "filters": [manager] }],
    })
}

fn cluster(dir: &Path, name: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": "5s",
        "eds_cluster_config": { "eds_config": source(dir, &endpoints_file(name)) },
    })
}

fn endpoints_file(cluster: &str) -> String {
    format!("endpoints.{cluster}.json")
}

fn endpoints(cluster: &str, addresses: &BTreeSet<String>) -> Value {
    let endpoint = |address: &String| {
        let (ip, port) = address.rsplit_once(':').unwrap_or((address, "0"));
        let socket = json!({ "address": ip, "port_value": port.parse::<u16>().unwrap_or_default() });
        json!({ "endpoint": { "address": { "socket_address": socket } } })
    };
    let all: Vec<Value> = addresses.iter().map(endpoint).collect();
    json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{ "lb_endpoints": all }],
    })
}
