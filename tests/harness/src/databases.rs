//! A real PostgreSQL with the runbook's table, and a real Redis.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::certificates::Certified;
use crate::process::{self, Running};
use crate::{paths, wait};

/// How long a database may take to answer.
const START: Duration = Duration::from_secs(60);

const USER: &str = "rollback";
/// Looked for in everything the tool writes: it must never be there.
pub const PASSWORD: &str = "s3cret-pw";
const DATABASE: &str = "models";

/// A running PostgreSQL; it ends with this value.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    bin: PathBuf,
    _running: Running,
    _dir: tempfile::TempDir,
}

impl Postgres {
    /// Starts one with the runbook's schema.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// As [`Self::start`]; over the network it speaks with this certificate, and not without.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_encrypted(certified: &Certified) -> Self {
        Self::start_with(Some(certified))
    }

    fn start_with(certified: Option<&Certified>) -> Self {
        let bin = postgres_bin();
        // PostgreSQL refuses to run as root, so its directory belongs to an unprivileged user then.
        let dir = tempfile::Builder::new()
            .prefix("vrb-pg")
            .tempdir()
            .expect("a temporary directory");
        let data = dir.path().join("data");
        give_to_nobody(dir.path());
        let password = dir.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a fresh directory is writable");
        give_to_nobody(&password);
        let output = process::run(
            as_plain_user(&bin.join("initdb"))
                .arg("-D")
                .arg(&data)
                .args(["-U", USER, "-A", "scram-sha-256", "--no-sync"])
                .arg(format!("--pwfile={}", password.display())),
            START,
        );
        assert!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let port = free_port();
        let mut command = as_plain_user(&bin.join("postgres"));
        command
            .arg("-D")
            .arg(&data)
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
            ])
            .arg(format!("unix_socket_directories={}", dir.path().display()))
            .args(
                certified
                    .map(|certified| encrypted(certified, &data))
                    .unwrap_or_default(),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let running = Running::start(&mut command);
        let server = Self {
            port,
            bin,
            _running: running,
            _dir: dir,
        };
        wait::until("PostgreSQL", START, || {
            server.try_sql("postgres", "select 1").map(|_| ())
        });
        server.sql_in("postgres", &format!("create database {DATABASE}"));
        let schema =
            std::fs::read_to_string(paths::root().join("tests/router/schema.sql")).expect("the schema is in the tree");
        server.sql(&schema);
        server
    }

    /// How to reach it.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// How to reach it through a relay that listens there.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Variables with which `psql` reaches it.
    pub fn client_env(&self) -> Vec<(&'static str, String)> {
        self.client_env_at(self.port)
    }

    /// The same, through a relay that listens there.
    pub fn client_env_at(&self, port: u16) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", port.to_string()),
            ("PGUSER", USER.to_owned()),
            ("PGPASSWORD", PASSWORD.to_owned()),
            ("PGDATABASE", DATABASE.to_owned()),
        ]
    }

    /// Runs SQL; rows as text, one a line, columns split by `|`.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in(DATABASE, sql)
    }

    /// Runs a file of SQL in a database.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn load(&self, file: &std::path::Path) {
        let output = process::run(
            Command::new(self.bin.join("psql"))
                .args(["-qX", "-v", "ON_ERROR_STOP=1", "-f"])
                .arg(file)
                .envs(self.client_env()),
            START,
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Inserts the row of a deployed model.
    pub fn register(&self, model: &str, environment: &str, endpoint: &str, status: &str) {
        self.sql(&format!(
            "insert into model_registry_entries (model_name, revision, deployment_target, deployment_endpoint, \
             deployment_status, deployment_environment, deployment_namespace) \
             values ('{model}', 1, 'self_hosted', '{endpoint}', '{status}', '{environment}', 'system')"
        ));
    }

    /// Status of a model's row.
    pub fn status(&self, model: &str, environment: &str) -> String {
        self.sql(&format!(
            "select deployment_status from model_registry_entries where model_name = '{model}' and deployment_environment = '{environment}'"
        ))
    }

    /// Runs SQL in a transaction that stays open as long as the value: what it locks is held so long.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn hold(&self, sql: &str) -> Running {
        let mut command = Command::new(self.bin.join("psql"));
        command
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1"])
            .envs(self.client_env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut running = Running::start(&mut command);
        let child = running.child();
        let stdin = child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "begin; {sql};\n\\echo held").expect("psql reads its stdin");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let is_held = lines.any(|line| line.is_ok_and(|line| line == "held"));
        assert!(is_held, "PostgreSQL refused: {sql}");
        running
    }

    /// A session of the tool waits for a lock.
    pub fn is_waited_for(&self) -> bool {
        let waiting = "select count(*) from pg_stat_activity where application_name = 'vllm-rollback' and wait_event_type = 'Lock'";
        self.sql(waiting) != "0"
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql)
            .unwrap_or_else(|| panic!("PostgreSQL refused: {sql}"))
    }

    fn try_sql(&self, database: &str, sql: &str) -> Option<String> {
        let args = ["-d", database, "-v", "ON_ERROR_STOP=1", "-qAt", "-c", sql];
        let output = process::run(
            Command::new(self.bin.join("psql")).envs(self.client_env()).args(args),
            START,
        );
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A running Redis; it ends with this value.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    _running: Running,
    _dir: tempfile::TempDir,
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("vrb-redis")
            .tempdir()
            .expect("a temporary directory");
        let port = free_port();
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let server = Self {
            port,
            _running: Running::start(&mut command),
            _dir: dir,
        };
        wait::until("Redis", START, || {
            (server.try_command(&["PING"]).as_deref() == Some("PONG")).then_some(())
        });
        server
    }

    /// How to reach it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Runs a command by redis-cli.
    ///
    /// # Panics
    /// When it fails.
    pub fn command(&self, words: &[&str]) -> String {
        self.try_command(words)
            .unwrap_or_else(|| panic!("Redis refused {words:?}"))
    }

    fn try_command(&self, words: &[&str]) -> Option<String> {
        let output = process::run(
            Command::new("redis-cli")
                .args(["-p", &self.port.to_string()])
                .args(words),
            START,
        );
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A loopback port that was free a moment ago, and that no connection takes meanwhile: it lies below those that Linux gives
/// to whoever connects (`ip_local_port_range`, 32768 and up by default). Each is given once in a process.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const LOWEST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    // Processes that run side by side begin at different ones.
    let begin = std::process::id().wrapping_mul(97);
    let ports = (0..COUNT).map(|_| LOWEST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let mut ports = ports.filter_map(|port| u16::try_from(port).ok());
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

fn postgres_bin() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("bin"));
    let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let mut found: Vec<PathBuf> = debian.filter(|bin| bin.join("postgres").exists()).collect();
    found.sort();
    found
        .into_iter()
        .next_back()
        .or_else(|| on_path.into_iter().find(|bin| bin.join("initdb").exists()))
        .expect("PostgreSQL is installed: make packages")
}

fn as_plain_user(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

/// Arguments with which it refuses to speak in the clear over the network. The files are its own: it wants nobody else to
/// read its key.
fn encrypted(certified: &Certified, data: &Path) -> Vec<String> {
    let Certified { certificate, key } = certified.copy_to(data);
    for file in [&certificate, &key] {
        give_to_nobody(file);
    }
    let rules = data.join("pg_hba.conf");
    let text = std::fs::read_to_string(&rules).expect("initdb made it");
    let text = text
        .lines()
        .map(|line| match line.strip_prefix("host ") {
            Some(rest) => format!("hostssl {rest}\n"),
            None => format!("{line}\n"),
        })
        .collect::<String>();
    std::fs::write(&rules, text).expect("our own file");
    let files = [("ssl_cert_file", certificate), ("ssl_key_file", key)];
    let set = |(name, file): (&str, PathBuf)| ["-c".to_owned(), format!("{name}={}", file.display())];
    let on = ["-c".to_owned(), "ssl=on".to_owned()];
    on.into_iter().chain(files.into_iter().flat_map(set)).collect()
}

fn give_to_nobody(dir: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir, Some(65534), Some(65534)).expect("root may give a directory away");
    }
}
