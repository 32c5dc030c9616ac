#!/usr/bin/env bash
# Builds the checks into target/plugins/<name>.wasm and the misbehaving ones of the tests into target/plugins/test/.
#
# Does nothing when they are up to date. Several callers may run at once: one builds, the others wait.
# PLUGINS_TARGET_DIR is cargo's directory (default target/plugins-build); see toolchain.sh for the Rust that is used.
set -euo pipefail

REPO="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
OUT="$REPO/target/plugins"
TARGET=wasm32-wasip2
CHECKS=(pod-health endpoint-health completion registry-status router-e2e)
STARTED=$SECONDS

say() { printf '[plugins] %s\n' "$*" >&2; }

# A caller that is itself run by cargo, or builds with flags of its own, must not change what is built here.
while IFS= read -r name; do
  case "$name" in
    RUSTC | RUSTC_WRAPPER | RUSTC_WORKSPACE_WRAPPER | RUSTFLAGS | RUSTDOC | MAKEFLAGS | MFLAGS) unset "$name" ;;
    CARGO_HOME | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTR* | CARGO_SOURCE_* | CARGO_TERM_*) ;;
    CARGO | CARGO_*) unset "$name" ;;
  esac
done < <(compgen -e)

hash_of() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1; }

# Everything that decides what comes out: sources, contract and compiler.
fingerprint() {
  {
    rustc_version
    find plugins wit -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.wit' -o -name '*.sh' \) \
      -not -path '*/target/*' | LC_ALL=C sort | while IFS= read -r file; do
      printf '%s\n' "$file"
      cat "$file"
    done
  } | hash_of
}

rustc_version() { "${RUSTC:-rustc}" -vV; }

# The misbehaving plugins are the examples of the crate `hostile`; cargo writes their names with underscores.
hostile() { (cd plugins/tests/examples && ls ./*.rs) | sed -E "s,^\./|\.rs\$,,g"; }

complete() {
  local name
  for name in "${CHECKS[@]}"; do [ -s "$OUT/$name.wasm" ] || return 1; done
  while IFS= read -r name; do [ -s "$OUT/test/$name.wasm" ] || return 1; done < <(hostile)
}

# Leaves a file with the same content alone, so that what embeds it is not built again.
install_file() {
  [ -s "$1" ] || { say "error: cargo did not make $1"; exit 1; }
  if ! cmp -s "$1" "$2"; then
    cp "$1" "$2.new"
    mv "$2.new" "$2"
  fi
}

cd "$REPO"
mkdir -p "$OUT/test"
if command -v flock >/dev/null; then
  exec 8>"$OUT/.lock"
  flock -n 8 || { say "waiting for another build of the plugins"; flock 8; }
fi

SELECTED="$(plugins/toolchain.sh 8>&-)"
eval "$SELECTED"
STAMP="$(fingerprint)"
if [ "$(cat "$OUT/.stamp" 2>/dev/null || true)" = "$STAMP" ] && complete; then
  say "up to date"
  exit 0
fi

export CARGO_TARGET_DIR="${PLUGINS_TARGET_DIR:-$REPO/target/plugins-build}"
# No path of this machine in the components: the same sources give the same bytes anywhere.
export CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS="--remap-path-prefix=$REPO/plugins=plugins --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
say "building with $(rustc_version | head -n 1)"
rm -f "$OUT/.stamp"
cargo build --manifest-path plugins/Cargo.toml --locked --release --target "$TARGET" \
  --workspace --lib --examples 8>&- >&2

built="$CARGO_TARGET_DIR/$TARGET/release"
for name in "${CHECKS[@]}"; do
  install_file "$built/${name//-/_}.wasm" "$OUT/$name.wasm"
done
while IFS= read -r name; do
  install_file "$built/examples/${name//-/_}.wasm" "$OUT/test/$name.wasm"
done < <(hostile)
printf '%s\n' "$STAMP" >"$OUT/.stamp"
say "$(find "$OUT" -name '*.wasm' | wc -l | tr -d ' ') components in target/plugins, $((SECONDS - STARTED)) s"
