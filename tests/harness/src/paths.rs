//! Where the things under test are.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("tests/harness is two levels deep")
        .to_path_buf()
}

/// The build directory: `CARGO_TARGET_DIR`, else `target` in the checkout.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program of this workspace, from the profile that tests are built with.
pub fn built(name: &str) -> PathBuf {
    existing(target().join("release").join(name), "make build sim")
}

/// The shipped binary.
pub fn tool() -> PathBuf {
    std::env::var_os("VLLM_ROLLBACK_BIN").map_or_else(|| built("kubectl-vllm_rollback"), PathBuf::from)
}

/// A program of the test bed: `testbed`, `kubectl`, `helm3`, `helm4`.
pub fn testbed_bin(name: &str) -> PathBuf {
    existing(root().join("target/testbed/bin").join(name), "make testbed")
}

/// The chart in the runbook's shape.
pub fn chart() -> PathBuf {
    root().join("tests/chart/vllm-deployment")
}

/// A check that misbehaves on purpose.
pub fn test_plugin(name: &str) -> PathBuf {
    existing(
        root().join("target/plugins/test").join(format!("{name}.wasm")),
        "make plugins",
    )
}

/// A program from PyPI in a virtual environment of its own, set up by `tools/routers.sh`. None where it could not be.
pub fn router(name: &str) -> Option<PathBuf> {
    let program = target().join("routers").join(name).join("bin").join(name);
    program.exists().then_some(program)
}

fn existing(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} is not built; run `{how}` first", path.display());
    path
}
