//! What each built component can reach, read from its binary. Run `plugins/build.sh` first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test are test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wasmparser::{Encoding, Parser, Payload};

fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/plugins")
        .join(format!("{name}.wasm"))
}

/// Names of what the outermost component imports or exports.
fn names(file: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}; run plugins/build.sh", file.display()));
    let (mut imports, mut exports, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::Version { encoding, .. } => {
                assert!(
                    depth > 0 || encoding == Encoding::Component,
                    "{} is no component",
                    file.display()
                );
                depth += 1;
            }
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

/// The interfaces of the contract among the names.
fn ours(names: &BTreeSet<String>) -> Vec<&str> {
    names
        .iter()
        .filter_map(|name| name.strip_prefix("vllm-rollback:plugin/")?.strip_suffix("@0.1.0"))
        .collect()
}

#[test]
fn a_check_imports_what_it_uses_and_nothing_else_of_ours() {
    for (name, uses) in [
        ("pod-health", vec!["clock", "cluster", "types"]),
        ("endpoint-health", vec!["http", "types"]),
        ("completion", vec!["clock", "http", "metrics", "types"]),
        ("registry-status", vec!["registry", "types"]),
        ("router-e2e", vec!["clock", "http", "metrics", "types"]),
        ("test/always-passes", vec!["types"]),
    ] {
        assert_eq!(ours(&names(&built(name)).0), uses, "{name}");
    }
}

#[test]
fn every_component_exports_the_check_of_the_contract() {
    for directory in ["", "test/"] {
        for entry in fs::read_dir(built(&format!("{directory}x")).parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                assert_eq!(ours(&names(&path).1), ["check"], "{}", path.display());
            }
        }
    }
}

#[test]
fn no_component_imports_sockets() {
    for name in [
        "pod-health",
        "endpoint-health",
        "completion",
        "registry-status",
        "router-e2e",
    ] {
        let (imports, _) = names(&built(name));
        let sockets: Vec<_> = imports
            .iter()
            .filter(|name| name.starts_with("wasi:sockets") || name.starts_with("wasi:http"))
            .collect();
        assert!(sockets.is_empty(), "{name}: {sockets:?}");
    }
}
