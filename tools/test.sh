#!/usr/bin/env bash
# Every test there is. Ends with the test runner's own closing lines.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/lint.sh

echo "==> the checks' own logic" >&2
cargo test --quiet --locked --manifest-path plugins/Cargo.toml --workspace

echo "==> the test bed's address map" >&2
# With the build's own flags, so that nothing of Kubernetes is compiled again.
(cd tests/testbed && go test -trimpath -vet=off ./node)

tools/routers.sh
cargo build --release --locked --workspace --bins

echo "==> a sample of the crash matrix (make crash runs all of it)" >&2
"${CARGO_TARGET_DIR:-$PWD/target}/release/crash" 12

echo "==> unit, integration and end-to-end tests" >&2
# The end-to-end cases mostly wait for the cluster, so more of them run at a time than there are cores.
skipped=${CARGO_TARGET_DIR:-$PWD/target}/skipped.txt
rm -f "$skipped"
RUST_TEST_THREADS=6 cargo test --release --locked --workspace --no-fail-fast

if [ -s "$skipped" ]; then
  printf '\nSKIPPED, because a real part is missing:\n' >&2
  sort -u "$skipped" >&2
  # Where everything is to be there, nothing may be left out.
  [ -z "${FAIL_ON_SKIP:-}" ] || exit 1
fi
