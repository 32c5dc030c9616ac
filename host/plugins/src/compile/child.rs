//! The process that compiles.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use super::frame;

/// CPU seconds of the child over all threads. A large Python component took 27 s.
const CPU_SECONDS: u64 = 240;

/// Address space. Compiling reserves nothing for linear memories; the worst component found took 630 MB.
const ADDRESS_SPACE: u64 = 4 * 1024 * 1024 * 1024;

/// Cranelift recurses; the default of macOS, 512 KiB, was too small for others.
const STACK: usize = 16 * 1024 * 1024;

/// Main function of the process started with [`super::CHILD_ARGUMENT`]: components in on stdin; out on stdout, as each is
/// done, its number, `+` or `-`, and machine code or what is wrong with it.
pub fn run_compile_child() -> ExitCode {
    restrict();
    match compile_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody listens when stderr is closed.
            let _ = writeln!(io::stderr(), "cannot compile: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Best effort: the parent's timer is what can be relied on. macOS does not enforce an address space limit.
fn restrict() {
    let limits = [
        (Resource::Cpu, CPU_SECONDS),
        (Resource::As, ADDRESS_SPACE),
        (Resource::Core, 0),
    ];
    for (resource, limit) in limits {
        let _ = setrlimit(
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        );
    }
}

fn compile_all() -> io::Result<()> {
    let mut jobs = Vec::new();
    let mut stdin = io::stdin().lock();
    while let Some(wasm) = frame::decode(&mut stdin)? {
        jobs.push(wasm);
    }
    let engine = crate::sandbox::engine().map_err(io::Error::other)?;
    let next = AtomicUsize::new(0);
    let out = Mutex::new(io::stdout());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(wasm) = jobs.get(number) else {
                return Ok(());
            };
            answer(&out, number, &engine, wasm)?;
        }
    };
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(jobs.len().max(1));
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work))
            .collect::<io::Result<_>>()?;
        started.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the compiler panicked")))
        })
    })
}

fn answer(out: &Mutex<impl Write>, number: usize, engine: &Engine, wasm: &[u8]) -> io::Result<()> {
    let (sign, bytes) = match engine.precompile_component(wasm) {
        Ok(code) => (b"+", code),
        Err(error) => (b"-", format!("{error:#}").into_bytes()),
    };
    let mut out = out.lock().map_err(|_| io::Error::other("a worker panicked"))?;
    out.write_all(&(number as u64).to_le_bytes())?;
    out.write_all(sign)?;
    frame::encode(&bytes, &mut *out)?;
    out.flush()
}
