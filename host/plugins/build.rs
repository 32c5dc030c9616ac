//! Embeds the built-in checks that `plugins/build.sh` made.

// How a build script talks to cargo.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest, Sha256};

const BUILTINS: [&str; 5] = [
    "pod-health",
    "endpoint-health",
    "completion",
    "registry-status",
    "router-e2e",
];
const PLACE: &str = "VLLM_ROLLBACK_PLUGINS_DIR";

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={PLACE}");
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            println!("cargo::error={text}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let from = place()?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let mut source = format!("pub(crate) const EMBEDDED: [Embedded; {}] = [\n", BUILTINS.len());
    for name in BUILTINS {
        let file = from.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        let wasm = std::fs::read(&file).map_err(|error| {
            format!(
                "{}: {error}; the checks are not built yet: run `make plugins` first",
                shown(&file)
            )
        })?;
        let copy = out.join(format!("{name}.wasm"));
        std::fs::write(&copy, &wasm).map_err(|error| format!("{}: {error}", shown(&copy)))?;
        let digest: String = Sha256::digest(&wasm).iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(
            source,
            "    Embedded {{ name: {name:?}, digest: {digest:?}, wasm: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")) }},"
        );
    }
    source.push_str("];\n");
    let table = out.join("embedded.rs");
    std::fs::write(&table, source).map_err(|error| format!("{}: {error}", shown(&table)))
}

fn place() -> Result<PathBuf, String> {
    if let Some(place) = std::env::var_os(PLACE) {
        return Ok(place.into());
    }
    Ok(Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../target/plugins"))
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
