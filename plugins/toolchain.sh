#!/usr/bin/env bash
# Finds a Rust that can build for wasm32-wasip2 and prints the shell lines that select it:
#
#     eval "$(plugins/toolchain.sh)" && cargo build --release --target wasm32-wasip2
#
# In this order: the installed Rust, when it has the target; the private copy of an earlier run; `rustup target add`;
# Debian's own packages of the target, unpacked into target/wasm-toolchain (no root, nothing installed on the machine).
# WASM_TOOLCHAIN=private goes straight to the private copy.
# Progress goes to stderr.
set -euo pipefail

REPO="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TARGET=wasm32-wasip2
PREFIX="$REPO/target/wasm-toolchain"
# Debian 13 carries Rust 1.85: the oldest that the plugins build with.
SUITE=trixie
PACKAGES=(rustc libstd-rust-1.85 libstd-rust-dev libstd-rust-dev-wasm32
  libllvm19 libc6 libgcc-s1 libstdc++6 libz3-4 libzstd1 zlib1g libxml2 libedit2 libffi8 libtinfo6 libbsd0 libmd0)

say() { printf '[plugins] %s\n' "$*" >&2; }

fail() {
  say "error: $1"
  cat >&2 <<TEXT

No Rust that builds for $TARGET was found, and none could be set up. Do one of these and run it again:
  - with rustup:                 rustup target add $TARGET
  - on Fedora:                   dnf install rust-std-static-$TARGET
  - on Debian 13 or newer:       apt-get install libstd-rust-dev-wasm32, with the rustc of the same release
  - another Debian mirror:       WASM_DEBIAN_MIRROR=<URL that ends in /debian> plugins/build.sh
TEXT
  exit 1
}

has_target() { [ -n "$(find "$1/lib/rustlib/$TARGET/lib" -name 'libstd-*.rlib' 2>/dev/null | head -n 1)" ]; }

# The linker for components ships with rustup's Rust, beside the compiler.
linker_dirs() {
  local bin
  for bin in "$1"/lib/rustlib/*/bin; do
    if [ -x "$bin/wasm-component-ld" ] && [ -x "$bin/rust-lld" ]; then
      printf '%s:%s/gcc-ld' "$bin" "$bin"
      return 0
    fi
  done
  return 1
}

# A mirror of the Debian archive that this machine already uses. Snapshot, security and foreign archives do not count.
debian_mirror() {
  if [ -n "${WASM_DEBIAN_MIRROR:-}" ]; then
    printf '%s\n' "${WASM_DEBIAN_MIRROR%/}"
    return 0
  fi
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -v '^[[:space:]]*#' | grep -oE 'https?://[^][:space:]]+/debian/?([[:space:]]|$)' |
    grep -v snapshot | head -n 1 | sed -E 's#/?[[:space:]]*$##' || true
}

unpack_debian() {
  local mirror work keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this machine has no apt-get"
  mirror="$(debian_mirror)"
  [ -n "$mirror" ] || fail "no Debian mirror in this machine's apt sources"
  [ -r "$keyring" ] || fail "$keyring is missing (package debian-archive-keyring)"

  work="$PREFIX.new"
  rm -rf "$work"
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$SUITE" >"$work/apt/sources.list"
  local apt=(apt-get -qq -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache"
    -o "Dir::Etc::SourceList=$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Acquire::Languages=none -o Acquire::Retries=3)
  # As root apt would download as another user, who cannot write here.
  [ "$(id -u)" != 0 ] || apt+=(-o APT::Sandbox::User=root)

  say "fetching Debian's Rust for WebAssembly (about 175 MB, once) into target/wasm-toolchain"
  "${apt[@]}" update >&2 || fail "the package lists of $SUITE could not be read"
  (cd "$work/debs" && "${apt[@]}" download "${PACKAGES[@]}") >&2 || fail "a package of $SUITE could not be fetched"
  say "unpacking"
  local deb
  for deb in "$work"/debs/*.deb; do
    dpkg -x "$deb" "$work" || fail "$(basename "$deb") could not be unpacked"
  done
  rm -rf "$work/apt" "$work/debs"

  # This Rust runs with the C library it was built for, whatever the machine's own is.
  cat >"$work/rustc" <<'WRAPPER'
#!/bin/sh
P="$(cd "$(dirname "$0")" && pwd)"
for loader in "$P"/usr/lib/*-linux-gnu*/ld-linux*.so.*; do
  exec "$loader" --argv0 "$P/usr/bin/rustc" --library-path "$(dirname "$loader")" "$P/usr/bin/rustc" --sysroot "$P/usr" "$@"
done
WRAPPER
  chmod +x "$work/rustc"
  "$work/rustc" --version >&2 || fail "the unpacked Rust does not start"
  rm -rf "$PREFIX"
  mv "$work" "$PREFIX"
}

select_private() {
  local dirs
  dirs="$(linker_dirs "$SYSROOT")" ||
    fail "the installed Rust ($SYSROOT) has no wasm-component-ld; a Rust of rustup, 1.82 or newer, brings it"
  printf 'export RUSTC=%q\nexport PATH=%q:"$PATH"\n' "$PREFIX/rustc" "$dirs"
  printf 'export CARGO_TARGET_WASM32_WASIP2_LINKER=%q\n' "${dirs%%:*}/wasm-component-ld"
}

command -v cargo >/dev/null && command -v rustc >/dev/null || fail "cargo and rustc are not on the PATH"
SYSROOT="$(rustc --print sysroot)"
PRIVATE="$([ "${WASM_TOOLCHAIN:-}" = private ] && echo yes || true)"
if [ -z "$PRIVATE" ] && has_target "$SYSROOT"; then
  exit 0 # The Rust on the PATH does it as it is.
fi

mkdir -p "$REPO/target"
if command -v flock >/dev/null; then
  exec 9>"$REPO/target/.wasm-toolchain.lock"
  flock 9
fi
if [ -x "$PREFIX/rustc" ]; then
  select_private
  exit 0
fi
if [ -z "$PRIVATE" ] && command -v rustup >/dev/null; then
  say "asking rustup for the target $TARGET"
  if RUSTUP_MAX_RETRIES=0 timeout 60 rustup target add "$TARGET" >/dev/null 2>&1 9>&- && has_target "$SYSROOT"; then
    exit 0
  fi
  say "rustup cannot add it here"
fi
unpack_debian 9>&-
select_private
