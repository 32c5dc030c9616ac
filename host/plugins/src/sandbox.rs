//! The WebAssembly engine: how components are compiled, and the clock that can interrupt them.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use wasmtime::{Config, Engine, Strategy};

/// The version of wasmtime in this build, which does not tell it itself; a test holds it against the lock file.
pub const WASMTIME: &str = "48.0.8";

/// Time between the moments at which a running component can be interrupted. Costs 1.3 % on a hot loop; counting fuel would cost 17 %.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The one configuration, for the process that compiles and for the one that runs: artefacts fit only the same.
pub(crate) fn engine() -> Result<Engine, Failure> {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        .wasm_component_model(true)
        // QuickJS components use its built-ins even when all their functions are synchronous.
        .wasm_component_model_async(true)
        // No compiler of checks needs these, and what is off cannot have a defect. Multi-memory and extended-const stay on:
        // adapters need the former (without it wasmtime-environ panics), Python and QuickJS the latter.
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false);
    Engine::new(&config).map_err(|error| {
        Failure::internal("the WebAssembly engine cannot start on this machine").because(error.root_cause().to_string())
    })
}

/// Advances the engine's epoch until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    _stop: mpsc::Sender<()>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> Result<Self, Failure> {
        let (stop, stopped) = mpsc::channel::<()>();
        let engine = engine.clone();
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(tick)
            .map_err(|error| Failure::internal("cannot start a thread").caused_by(&error))?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_wasmtime_is_the_one_that_is_locked() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"\n")));
    }

    #[test]
    fn every_engine_takes_what_another_compiled() {
        let wasm = wat::parse_str("(component)").unwrap();
        let code = engine().unwrap().precompile_component(&wasm).unwrap();
        assert!(crate::store::load_fresh(&engine().unwrap(), &code).is_ok());
    }
}
