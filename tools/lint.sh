#!/usr/bin/env bash
# rustfmt, clippy, rustdoc, the rules of tests/structure, cargo machete and cargo deny, each with warnings as errors.
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

echo "==> structure" >&2
# Circles of files, directions of dependencies, lengths; the whole workspace is named so that nothing is built in two ways.
cargo test --release --locked --workspace --test structure --quiet

# Tools of a pinned version, each built once into the target directory.
tool() {
  if ! "$target/tools/bin/$1" --version 2>/dev/null | grep -qE "(^| )$2$"; then
    cargo install --quiet --locked --debug --root "$target/tools" --target-dir "$target/tools/build" "$1" --version "$2"
  fi
}

echo "==> cargo machete" >&2
# Unoptimized, it takes longer to read our files than to be built.
CARGO_PROFILE_DEV_OPT_LEVEL=1 tool cargo-machete 0.9.2
"$target/tools/bin/cargo-machete" --skip-target-dir host plugins tests >/dev/null

echo "==> cargo deny" >&2
# Advisories need the network and are checked apart.
tool cargo-deny 0.20.2
"$target/tools/bin/cargo-deny" --log-level error check bans licenses sources
