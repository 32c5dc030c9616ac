//! The interface of a component, read before anything of it is compiled.
//!
//! Compiling costs seconds and cannot be stopped from within, so what can be told from the first few sections is told first,
//! in words: that a file is no component, for which contract it was built, which interfaces it wants. What a check *can* use
//! is read here from its imports; what it *may* use is decided by grants.

use vllm_rollback_engine::failure::Failure;
use wasmparser::{Parser, Payload};

/// The contract that this host speaks; the patch level adds only functions and interfaces.
pub const CONTRACT: &str = "0.1";

/// The same with its patch level.
const VERSION: semver::Version = semver::Version::new(0, 1, 0);

const PACKAGE: &str = "vllm-rollback:plugin";
const PREVIEW: &str = "0.2";

/// Longest name of an import, bytes.
const MAX_NAME: usize = 120;

/// Imports and exports of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentInterface {
    /// Interfaces it imports: `vllm-rollback:plugin/http@0.1.0`.
    pub imports: Vec<String>,
    /// The version of the contract that it exports `check` of.
    pub contract: String,
}

impl ComponentInterface {
    /// The interfaces of the contract among its imports.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &str> {
        let ours = self.imports.iter().filter_map(|import| interface_of(import, PACKAGE));
        ours.map(|(interface, _)| interface)
    }

    /// Built for a later patch level of the contract, which may have interfaces and functions that this tool does not have.
    pub(crate) fn is_newer(&self) -> bool {
        semver::Version::parse(&self.contract).is_ok_and(|built_for| built_for > VERSION)
    }
}

/// Reads the interface of a component of at most `max` bytes; `name` is for texts, `known` are the contract's interfaces that
/// this tool has.
///
/// # Errors
/// `Invalid`, and what to do: not a component, truncated, built for another contract, imports of something unknown.
pub(crate) fn inspect(name: &str, wasm: &[u8], max: usize, known: &[&str]) -> Result<ComponentInterface, Failure> {
    let invalid = |what: String| Failure::invalid(format!("{name} {what}"));
    if wasm.len() > max {
        return Err(invalid(format!("has {} bytes; a component may have {max}", wasm.len())));
    }
    if let Some(what) = not_wasm(wasm) {
        return Err(invalid(what.to_owned()).next("give the .wasm file of a WebAssembly component"));
    }
    if !Parser::is_component(wasm) {
        return Err(invalid("is a core WebAssembly module, not a component".to_owned())
            .next("build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"));
    }
    let (imports, exports) = names(wasm).map_err(|error| {
        let what = if error.message().contains("unexpected end") {
            "is truncated"
        } else {
            "is damaged"
        };
        invalid(what.to_owned())
            .because(crate::untrusted::line(&error.to_string(), 200))
            .next("build or download it again")
    })?;
    for import in &imports {
        check_import(import, known).map_err(&invalid)?;
    }
    let contract = contract(&exports).map_err(|what| {
        invalid(what).next(format!(
            "build it against {PACKAGE}@{CONTRACT} (`wit/plugin.wit` of this tool)"
        ))
    })?;
    Ok(ComponentInterface { imports, contract })
}

fn not_wasm(wasm: &[u8]) -> Option<&'static str> {
    match wasm {
        [] => Some("is empty"),
        [0x7f, b'E', b'L', b'F', ..] => {
            Some("is compiled machine code (.cwasm); this tool runs only what it compiled itself")
        }
        [0, b'a', b's', b'm', _, _, _, _, ..] => None,
        [0, ..] if b"\0asm".starts_with(wasm) || wasm.starts_with(b"\0asm") => Some("is truncated"),
        _ if std::str::from_utf8(&wasm[..wasm.len().min(512)]).is_ok() => Some("is a text file, not WebAssembly"),
        _ => Some("is not WebAssembly"),
    }
}

/// Names of imports and exports of the outermost component.
fn names(wasm: &[u8]) -> wasmparser::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import?.name.full_name().into_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export?.name.full_name().into_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// Interface and version of a name in a package: `http`, `0.1.0`.
fn interface_of<'a>(name: &'a str, package: &str) -> Option<(&'a str, &'a str)> {
    name.strip_prefix(package)?.strip_prefix('/')?.split_once('@')
}

/// Of one version track: wasmtime links `0.1.3` with `0.1.0`, but a pre-release only with itself.
fn is_of(version: &str, track: &str) -> bool {
    version
        .strip_prefix(track)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
}

fn check_import(import: &str, known: &[&str]) -> Result<(), String> {
    const WASI: [&str; 6] = [
        "wasi:cli",
        "wasi:clocks",
        "wasi:filesystem",
        "wasi:io",
        "wasi:random",
        "wasi:sockets",
    ];
    let shown = crate::untrusted::line(import, 120);
    // A name is shown to people, and no interface of ours or of WASI needs more.
    if import.len() > MAX_NAME || !import.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("imports {shown}, which this tool does not have"));
    }
    if let Some((interface, version)) = interface_of(import, PACKAGE) {
        return match (is_of(version, CONTRACT), known.contains(&interface)) {
            (true, true) => Ok(()),
            (true, false) => Err(format!(
                "imports {shown}, which this tool does not have; a newer one may"
            )),
            (false, _) => Err(built_for(version)),
        };
    }
    let wasi = WASI.iter().find_map(|package| interface_of(import, package));
    match wasi {
        Some((_, version)) if is_of(version, PREVIEW) => Ok(()),
        Some(_) => Err(format!("imports {shown}; this tool offers WASI {PREVIEW}")),
        None if import.starts_with("wasi:http/") => {
            Err(format!("imports {shown}; checks send HTTP through {PACKAGE}/http"))
        }
        None => Err(format!("imports {shown}, which this tool does not have")),
    }
}

fn contract(exports: &[String]) -> Result<String, String> {
    let versions: Vec<&str> = exports
        .iter()
        .filter_map(|name| interface_of(name, PACKAGE))
        .filter(|(interface, _)| *interface == "check")
        .map(|(_, version)| version)
        .collect();
    match versions
        .iter()
        .find(|version| is_of(version, CONTRACT))
        .or(versions.first())
    {
        Some(version) if is_of(version, CONTRACT) => Ok((*version).to_owned()),
        Some(version) => Err(built_for(version)),
        None => Err(format!("does not export {PACKAGE}/check, so it is no check")),
    }
}

fn built_for(version: &str) -> String {
    format!(
        "was built for {PACKAGE}@{}, this tool speaks {CONTRACT}",
        crate::untrusted::line(version, 40)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1024 * 1024;
    const KNOWN: [&str; 4] = ["types", "log", "http", "metrics"];

    fn wat(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    fn component(imports: &[&str], check: &str) -> Vec<u8> {
        let imports: String = imports
            .iter()
            .map(|name| format!("(import \"{name}\" (instance))"))
            .collect();
        wat(&format!(
            "(component {imports} (instance $i) (export \"{check}\" (instance $i)))"
        ))
    }

    fn refusal(wasm: &[u8]) -> String {
        inspect("x.wasm", wasm, MAX, &KNOWN).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let whole = component(&[], "vllm-rollback:plugin/check@0.1.0");
        assert!(refusal(b"").contains("is empty"));
        assert!(refusal(b"#!/bin/sh\necho hello\n").contains("text file"));
        assert!(refusal(b"\x7fELF\x02\x01\x01").contains("compiled machine code"));
        assert!(refusal(b"\x89PNG\r\n\x1a\n\xff").contains("is not WebAssembly"));
        assert!(refusal(&wat("(module)")).contains("core WebAssembly module"));
        assert!(refusal(&whole[..6]).contains("is truncated"));
        assert!(refusal(&whole[..whole.len() - 5]).contains("is truncated"));
        assert!(refusal(&wat("(component)")).contains("so it is no check"));
    }

    #[test]
    fn a_component_for_another_contract_is_named_as_such() {
        for other in ["0.2.0", "1.0.0", "0.1.0-rc.1", "0.10.0"] {
            let text = refusal(&component(&[], &format!("vllm-rollback:plugin/check@{other}")));
            assert_eq!(
                text,
                format!("x.wasm was built for vllm-rollback:plugin@{other}, this tool speaks 0.1")
            );
        }
        let text = refusal(&component(
            &["vllm-rollback:plugin/http@0.3.0"],
            "vllm-rollback:plugin/check@0.1.0",
        ));
        assert!(text.contains("was built for vllm-rollback:plugin@0.3.0"));
    }

    #[test]
    fn only_known_interfaces_can_be_imported() {
        let of = |import| refusal(&component(&[import], "vllm-rollback:plugin/check@0.1.0"));
        assert!(of("wasi:http/types@0.2.10").contains("through vllm-rollback:plugin/http"));
        assert!(of("wasi:keyvalue/store@0.2.0").contains("does not have"));
        assert!(of("vllm-rollback:plugin/shell@0.1.0").contains("does not have"));
        assert!(of("wasi:cli/stdin@0.3.0").contains("offers WASI 0.2"));
        assert!(of("anything").contains("does not have"));
    }

    #[test]
    fn imports_and_the_contracts_version_are_read() {
        let imports = [
            "vllm-rollback:plugin/log@0.1.0",
            "vllm-rollback:plugin/metrics@0.1.4",
            "wasi:io/streams@0.2.3",
        ];
        let wasm = component(&imports, "vllm-rollback:plugin/check@0.1.7");
        let interface = inspect("x.wasm", &wasm, MAX, &KNOWN).unwrap();
        assert_eq!(interface.contract, "0.1.7");
        assert!(interface.is_newer());
        assert_eq!(interface.imports, imports);
        assert_eq!(interface.interfaces().collect::<Vec<_>>(), ["log", "metrics"]);
    }

    #[test]
    fn the_version_is_that_of_the_contract() {
        let contract = include_str!("../../../wit/plugin.wit");
        assert!(contract.contains(&format!("package {PACKAGE}@{VERSION};")));
    }

    #[test]
    fn imports_of_nested_components_are_not_its_own() {
        let text = "(component (component (import \"wasi:http/types@0.2.0\" (instance)))
            (instance $i) (export \"vllm-rollback:plugin/check@0.1.0\" (instance $i)))";
        assert!(inspect("x.wasm", &wat(text), MAX, &KNOWN).unwrap().imports.is_empty());
    }

    #[test]
    fn a_file_that_is_too_large_is_not_even_parsed() {
        assert!(
            inspect("x.wasm", b"0123456789", 9, &KNOWN)
                .unwrap_err()
                .what
                .contains("10 bytes")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = inspect("x", &bytes, MAX, &KNOWN);
            let _ = inspect("x", &[b"\0asm\x0d\0\x01\0".as_slice(), &bytes].concat(), MAX, &KNOWN);
        }

        #[test]
        fn a_damaged_component_is_judged_without_a_panic(at in 8_usize..100, to in any::<u8>()) {
            let mut wasm = component(&["vllm-rollback:plugin/log@0.1.0"], "vllm-rollback:plugin/check@0.1.0");
            let at = at % wasm.len();
            wasm[at] = to;
            let _ = inspect("x", &wasm, MAX, &KNOWN);
        }
    }
}
