//! Checks before they are compiled.

use std::borrow::Cow;

use serde_json::Value;

use crate::precheck::ComponentInterface;

/// Consequence of a verdict other than pass: the model stays out of traffic, or a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Keeps it out.
    Required,
    /// Is reported and nothing else.
    Advisory,
}

/// A component that is not compiled yet.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// `pod-health` or a path, for texts.
    pub(crate) origin: String,
    pub(crate) builtin: bool,
    pub(crate) wasm: Cow<'static, [u8]>,
    pub(crate) digest: String,
    pub(crate) interface: ComponentInterface,
    pub(crate) enforcement: Enforcement,
    pub(crate) parameters: Value,
}
