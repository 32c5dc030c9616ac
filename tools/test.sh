#!/usr/bin/env bash
# Every test there is. Ends with the test runner's own closing lines.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/lint.sh

echo "==> the checks' own logic" >&2
cargo test --quiet --locked --manifest-path plugins/Cargo.toml --workspace

echo "==> unit, integration and end-to-end tests" >&2
cargo build --release --locked --workspace --bins
cargo test --release --locked --workspace --no-fail-fast
