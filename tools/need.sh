#!/usr/bin/env bash
# Says in one go what a machine lacks, before anything is built.
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || missing+=("Rust (cargo, rustc 1.95 or newer): https://rustup.rs")
have go || missing+=("Go 1.26 or newer: https://go.dev/dl")
have cc || missing+=("a C compiler: apt-get install gcc libc6-dev")
have python3 || missing+=("python3: apt-get install python3")
[ "$(uname -s)" = Linux ] || missing+=("Linux: the test bed runs a real kubelet")

if have cargo; then
  version=$(rustc --version | awk '{print $2}')
  if [ "$(printf '%s\n1.95.0\n' "${version%%-*}" | sort -V | head -1)" != 1.95.0 ]; then
    missing+=("rustc 1.95 or newer (this is $version): rustup update stable")
  fi
fi

if [ ${#missing[@]} -gt 0 ]; then
  echo "error: this machine lacks what the build needs:" >&2
  printf '  - %s\n' "${missing[@]}" >&2
  exit 1
fi
