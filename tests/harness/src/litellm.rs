//! Real LiteLLM proxies on one PostgreSQL; see tests/routers/README.md.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::databases::{Postgres, free_port};
use crate::http;
use crate::names::NameProxy;
use crate::paths;
use crate::process::Running;
use crate::testbed::HANG;
use crate::wait;

/// A proxy computes for 20 seconds before it listens, on a quiet machine.
const START: Duration = Duration::from_secs(600);

/// The admin's key.
pub const ADMIN_KEY: &str = "sk-3f8c1d0a7b5e4296a1c4e8f20b9d6357";

/// A running proxy.
#[derive(Debug)]
pub struct LiteLlm {
    port: u16,
    _running: Running,
    _dir: tempfile::TempDir,
}

impl LiteLlm {
    /// Starts so many on one database, with models of its configuration file beside those of the database; waits until
    /// they answer. They reach their models through the proxy. None when LiteLLM is not installed: see [`paths::router`].
    ///
    /// # Panics
    /// When one does not start.
    pub fn start(number: usize, postgres: &Postgres, names: &NameProxy, configured: &[Value]) -> Option<Vec<Self>> {
        let venv = Self::installed()?;
        postgres.load(&venv.join("schema.sql"));
        let proxies: Vec<Self> = (0..number)
            .map(|_| Self::spawn(&venv, Some(postgres), names, configured))
            .collect();
        proxies.iter().for_each(Self::await_answers);
        Some(proxies)
    }

    /// Starts one that has no database, so that its models are those of its configuration file.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_without_database(names: &NameProxy, configured: &[Value]) -> Option<Self> {
        let proxy = Self::spawn(&Self::installed()?, None, names, configured);
        proxy.await_answers();
        Some(proxy)
    }

    /// Its virtual environment.
    fn installed() -> Option<PathBuf> {
        Some(paths::router("litellm")?.ancestors().nth(2)?.to_owned())
    }

    fn await_answers(&self) {
        let alive = format!("{}/health/liveliness", self.url());
        wait::until("LiteLLM that answers", START, || {
            http::get(&alive, Duration::from_secs(5))
                .ok()
                .filter(|(status, _)| *status == 200)
        });
    }

    fn spawn(venv: &Path, postgres: Option<&Postgres>, names: &NameProxy, configured: &[Value]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config: PathBuf = dir.path().join("config.yaml");
        let text = json!({
            "model_list": configured,
            "general_settings": { "master_key": ADMIN_KEY, "proxy_config_reload_interval_seconds": 1 },
        });
        // JSON is YAML.
        std::fs::File::create(&config)
            .and_then(|mut file| file.write_all(text.to_string().as_bytes()))
            .expect("a fresh directory is writable");
        let port = free_port();
        let path = format!(
            "{}:{}",
            venv.join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let engine = venv.join("bin/query-engine");
        let mut command = Command::new(venv.join("bin/litellm"));
        command
            .arg("--config")
            .arg(&config)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env("PATH", path)
            .env("DISABLE_SCHEMA_UPDATE", "true")
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_SALT_KEY", ADMIN_KEY)
            .env("PRISMA_QUERY_ENGINE_BINARY", &engine)
            .env("PRISMA_SCHEMA_ENGINE_BINARY", &engine)
            .env("PROXY_CONFIG_RELOAD_INTERVAL_SECONDS", "1")
            .env("http_proxy", names.url())
            .env("NO_PROXY", "localhost")
            .current_dir(dir.path());
        if let Some(postgres) = postgres {
            command
                .env("DATABASE_URL", postgres.url())
                .env("STORE_MODEL_IN_DB", "True");
        }
        Self {
            port,
            _running: Running::start_bound(&command),
            _dir: dir,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Calls it as its admin.
    ///
    /// # Panics
    /// When it does not answer with success.
    pub fn admin(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.url());
        let (status, text) = http::post(&url, Some(ADMIN_KEY), body, HANG).expect("LiteLLM answers");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// What it knows of its models.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn models(&self) -> Vec<Value> {
        let url = format!("{}/model/info", self.url());
        let (_, text) = http::get_with(&url, Some(ADMIN_KEY), HANG).expect("LiteLLM answers");
        let parsed: Value = serde_json::from_str(&text).expect("JSON");
        parsed["data"].as_array().cloned().unwrap_or_default()
    }
}
