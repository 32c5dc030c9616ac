//! The versions of the tool and of what it is built on.

use serde::Serialize;

use crate::document::{Document, Kind};
use crate::text::{TextWriter, plain};

/// The versions of the tool and of what it is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Version of the tool.
    pub version: &'static str,
    /// Version of the plugin contract.
    pub plugin_contract: &'static str,
    /// Version of the WebAssembly runtime.
    pub wasmtime: &'static str,
    /// Operating system that this binary is for.
    pub os: &'static str,
    /// Processor that this binary is for.
    pub arch: &'static str,
}

impl Document for Version {
    fn kind(&self) -> Kind {
        Kind::Version
    }

    fn write(&self, out: &mut TextWriter) {
        let platform = format!("{}/{}", self.os, self.arch);
        let rows = [
            ("kubectl-vllm_rollback", self.version),
            ("plugin contract", self.plugin_contract),
            ("wasmtime", self.wasmtime),
            ("platform", &platform),
        ];
        for (name, value) in rows {
            out.line(0, &[plain(format!("{name:<21} {value}"))]);
        }
    }
}
