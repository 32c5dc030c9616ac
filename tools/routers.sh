#!/usr/bin/env bash
# Real routers from PyPI, each in a virtual environment of its own: target/routers/NAME. What is there is kept. Without PyPI
# their cases are skipped: tools/test.sh says so at its end.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}/routers

install_router() {
  local from=$1 venv=$2
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$from/requirements.txt"
  if [ -x "$from/install.sh" ]; then "$from/install.sh" "$venv"; fi
}

for from in tests/routers/*/; do
  name=$(basename "$from")
  venv=$target/$name
  made_of=$(cat "$from"* | sha256sum)
  if [ "$(cat "$venv/made-of" 2>/dev/null)" = "$made_of" ]; then continue; fi
  echo "==> $name from PyPI" >&2
  rm -rf "$venv"
  # In a shell of its own: a function in a condition would not end at its first error.
  if (set -e; export -f install_router; bash -euo pipefail -c 'install_router "$1" "$2"' _ "$from" "$venv"); then
    echo "$made_of" >"$venv/made-of"
  else
    rm -rf "$venv"
    echo "warning: $name could not be installed" >&2
  fi
done
