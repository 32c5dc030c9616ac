//! `kubectl vllm-rollback` and `helm vllm`: the command line.
//!
//! A verb is a file in `verbs` and works in a `session`; `args` and `config` say what it was asked for; `wiring` builds
//! the engine's world out of Helm, cluster, registry and plugins; `ui` has the two streams.

mod args;
mod clock;
mod config;
mod exit;
mod invoked_as;
mod journal;
mod names;
mod panics;
mod prompt;
mod session;
mod signals;
mod ui;
mod verbs;
mod wiring;

use std::ffi::OsString;

use clap::FromArgMatches;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_settings::Env;

use crate::invoked_as::InvokedAs;
use crate::ui::Ui;
use crate::verbs::Cli;

fn main() -> std::process::ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let argv0 = (!args.is_empty()).then(|| args.remove(0));
    if let Some(code) = wiring::plugins::hidden_verb(&args) {
        return code;
    }
    let env = Env::of_process();
    let invoked_as = InvokedAs::detect(argv0.as_deref(), &env);
    let ui = Ui::new(invoked_as, env);
    let code = panics::guarded(&ui, || run(args, ui.clone()));
    std::process::ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Parses, then does what the verb says. Gives the exit code.
fn run(args: Vec<OsString>, mut ui: Ui) -> i32 {
    if wiring::plugins::is_load_checks(&args) {
        return load_checks(&ui);
    }
    let command = verbs::command(ui.invoked_as);
    let line = args::argv::in_order(&command, args);
    let parsed = command
        .no_binary_name(true)
        .try_get_matches_from(line)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout with code 0, wrong usage to stderr with code 2.
            let _ = error.print();
            return error.exit_code();
        }
    };
    ui.configure(cli.verb.output());
    log_to_stderr(cli.verb.output().verbose);
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(cli.verb.run(&ui));
        // A prompt may still sit in a read that nobody waits for.
        runtime.shutdown_background();
        outcome
    });
    let code = outcome.unwrap_or_else(|failure| ui.print_error(&failure, Some("nothing was changed")));
    code.number()
}

/// For benchmarks: prints the milliseconds that loading the built-in checks took.
fn load_checks(ui: &Ui) -> i32 {
    let loaded = runtime().and_then(|runtime| runtime.block_on(wiring::plugins::load_checks(&ui.env)));
    match loaded {
        Ok(milliseconds) => {
            ui.result(&format!("{milliseconds:.3}\n"));
            ExitCode::Success.number()
        }
        Err(failure) => ui.print_error(&failure, None).number(),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal("cannot start").caused_by(&error))
}

/// Logs of the tool itself: none, unless asked for with `-v`.
fn log_to_stderr(verbose: u8) {
    let (all, ours) = match verbose {
        0 => return,
        1 => (Level::WARN, Level::INFO),
        _ => (Level::INFO, Level::DEBUG),
    };
    let mut targets = Targets::new().with_default(all).with_target("vllm_rollback", ours);
    if verbose > 1 {
        targets = targets.with_target("kube_client", ours);
    }
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Fails only when another subscriber is set already.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .try_init();
}
