#!/usr/bin/env bash
# rustfmt, clippy, rustdoc and cargo deny, each with warnings as errors.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

echo "==> rustfmt" >&2
cargo fmt --all --check
cargo fmt --all --check --manifest-path plugins/Cargo.toml

echo "==> clippy" >&2
cargo clippy --release --locked --workspace --all-targets -- -D warnings

echo "==> rustdoc" >&2
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --quiet

echo "==> cargo deny" >&2
# The pinned version is built once into the target directory; advisories need the network and are checked apart.
deny=$target/tools/bin/cargo-deny
version=0.20.2
if ! "$deny" --version 2>/dev/null | grep -q " $version$"; then
  cargo install --quiet --locked --debug --root "$target/tools" --target-dir "$target/tools/build" cargo-deny --version "$version"
fi
"$deny" --log-level error check bans licenses sources
