//! Host bindings of the world `vllm-rollback:plugin/plugin` in `wit/plugin.wit`: the output of `wasmtime::component::bindgen!`
//! and nothing else. The macro is slow to compile and the contract changes rarely, so it has a crate of its own.

// The macro writes items without documentation and of its own visibility.
#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin",
    imports: { default: async | trappable },
    exports: { default: async },
});
