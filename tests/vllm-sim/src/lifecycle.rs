//! Birth, life and death of a server: loading, serving, and the ways to stop.

use crate::api;
use crate::args::{Args, VLLM_VERSION};
use crate::faults::Faults;
use crate::log;
use crate::server::{Phase, Server};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

/// How long /health says 503 between the death of the engine and the end of the process.
const ENGINE_DEATH: Duration = Duration::from_secs(2);
/// How long answers that are being written may take once open requests are cut off.
const LAST_WORDS: Duration = Duration::from_millis(250);
const SHARDS: u32 = 4;

/// Lives one life and gives the exit code. `bind` goes before `--host`; `oom_marker` is a file to make before an exit
/// that stands for a kernel's OOM kill, so that a container runtime without a kernel's help can tell.
pub async fn run(args: Args, faults: Faults, bind: Option<IpAddr>, oom_marker: Option<String>) -> i32 {
    log::vllm(
        "INFO",
        "api_server.py:1213",
        &format!("vLLM API server version {VLLM_VERSION}"),
    );
    if args.check_only {
        log::line("Pre-install check passed.");
        return 0;
    }
    let mut stops = match Stops::listen() {
        Ok(stops) => stops,
        Err(error) => return failed(&format!("cannot listen for signals: {error}")),
    };
    let address = SocketAddr::new(bind.unwrap_or(args.host), args.port);
    let server = Arc::new(Server::new(args, faults));
    let ignored = server.faults.ignore_sigterm;
    let loaded = tokio::select! {
        loaded = load(&server, oom_marker) => loaded,
        () = stops.next(), if !ignored => return 128 + SignalKind::terminate().as_raw_value(),
    };
    if let Err(code) = loaded {
        return code;
    }
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            return failed(&format!(
                "[Errno 98] error while attempting to bind on address {address}: {error}"
            ));
        }
    };
    let address = listener.local_addr().unwrap_or(address);
    log::vllm(
        "INFO",
        "api_server.py:583",
        &format!("Starting vLLM server on http://{address}"),
    );
    let serving = tokio::spawn(serve(listener, Arc::clone(&server)));
    log::uvicorn(&format!("Started server process [{}]", std::process::id()));
    log::uvicorn("Waiting for application startup.");
    log::uvicorn("Application startup complete.");
    let code = tokio::select! {
        code = crash(&server) => return code,
        code = engine_death(&server) => code,
        code = stop(&server, &mut stops), if !ignored => code,
    };
    server.phase.send_replace(Phase::Aborting);
    let _ = timeout(LAST_WORDS, serving).await;
    log::uvicorn("Application shutdown complete.");
    code
}

/// Answers until open requests are to be cut off, then until those that can be answered are.
///
/// # Errors
/// What the listener fails with.
pub async fn serve(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let routes = api::router(Arc::clone(&server)).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { server.aborted().await })
        .await
}

/// Loads the weights, with the port still closed. An error is an exit code.
async fn load(server: &Server, oom_marker: Option<String>) -> Result<(), i32> {
    let (args, faults) = (&server.args, &server.faults);
    log::vllm(
        "INFO",
        "gpu_model_runner.py:2602",
        &format!("Starting to load model {}...", args.model),
    );
    for shard in 0..=SHARDS {
        let done = 100 * shard / SHARDS;
        log::line(&format!(
            "Loading safetensors checkpoint shards: {done:3}% Completed | {shard}/{SHARDS}"
        ));
        if shard * 2 == SHARDS {
            if faults.load_forever {
                std::future::pending::<()>().await;
            }
            if faults.oom {
                if let Some(Err(error)) = oom_marker.map(std::fs::File::create) {
                    log::line(&format!("cannot make the OOM marker: {error}"));
                }
                return Err(137);
            }
        }
        if shard < SHARDS && !faults.load.is_zero() {
            sleep(faults.load / SHARDS).await;
        }
    }
    if let Some(code) = faults.crash_at_start {
        log::vllm("ERROR", "core.py:708", "EngineCore failed to start.");
        log::line("Traceback (most recent call last):");
        log::line(faults.crash_log.as_deref().unwrap_or(&format!(
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or \
             'namespace/repo_name': '{}'. Use `repo_type` argument if needed.",
            args.model
        )));
        return Err(code);
    }
    log::vllm(
        "INFO",
        "gpu_model_runner.py:2653",
        &format!("Model loading took {:.3} seconds", faults.load.as_secs_f64()),
    );
    Ok(())
}

/// Ends the process in the middle of everything, when it is told to.
async fn crash(server: &Server) -> i32 {
    let Some(after) = server.faults.crash_after else {
        return std::future::pending().await;
    };
    sleep(after).await;
    let line = server
        .faults
        .crash_log
        .as_deref()
        .unwrap_or("Fatal Python error: Segmentation fault");
    log::line(line);
    server.faults.crash_code
}

/// Loses the engine, when it is told to. The exit code is 0, as with vLLM.
async fn engine_death(server: &Server) -> i32 {
    let Some(after) = server.faults.engine_dead_after else {
        return std::future::pending().await;
    };
    sleep(after).await;
    log::vllm("ERROR", "async_llm.py:480", "AsyncLLM output_handler failed.");
    log::line("vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace above.");
    server.phase.send_replace(Phase::EngineDead);
    sleep(ENGINE_DEATH).await;
    0
}

/// Waits for a signal to stop and, with a shutdown timeout, for open requests.
async fn stop(server: &Server, stops: &mut Stops) -> i32 {
    stops.next().await;
    log::uvicorn("Shutting down");
    if server.args.shutdown_timeout > 0 {
        server.phase.send_replace(Phase::Draining);
        let drained = async {
            while server.metrics.open() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(Duration::from_secs(server.args.shutdown_timeout), drained)
            .await
            .is_err()
        {
            log::vllm(
                "WARNING",
                "launcher.py:112",
                "Shutdown timeout passed: open requests are aborted.",
            );
        }
    }
    0
}

fn failed(message: &str) -> i32 {
    log::line(&format!("ERROR:    {message}"));
    1
}

/// SIGTERM and SIGINT. From the moment it exists, neither ends the process by itself.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}
