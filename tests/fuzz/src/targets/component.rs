//! A file that is said to be a check.

use super::assert_is_a_line;
use crate::precheck::inspect;

/// What every component starts with.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// Packages whose interfaces a check may import.
const KNOWN: [&str; 7] = [
    "vllm-rollback:plugin",
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

/// Interfaces of the contract that the tool is said to have.
const INTERFACES: [&str; 3] = ["types", "http", "cluster"];

/// A component, and what may follow a component's first bytes.
///
/// - What is let through exports the check of our contract and imports only what the sandbox has.
/// - A refusal is one short line.
pub fn component(data: &[u8]) {
    look_at(data);
    look_at(&[PREAMBLE, data].concat());
}

fn look_at(wasm: &[u8]) {
    match inspect("mine.wasm", wasm, 1 << 20, &INTERFACES) {
        Ok(interface) => {
            assert!(interface.contract.starts_with("0.1."));
            for import in &interface.imports {
                let package = import.split('/').next().unwrap_or_default();
                assert!(KNOWN.contains(&package), "{import}");
                assert_is_a_line(import, 200);
            }
            assert!(interface.interfaces().all(|one| INTERFACES.contains(&one)));
            let _ = interface.is_newer();
        }
        Err(failure) => {
            assert!(!failure.next.is_empty() || !failure.what.is_empty());
            assert_is_a_line(&failure.to_string(), 500);
        }
    }
}
