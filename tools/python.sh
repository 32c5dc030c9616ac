#!/usr/bin/env bash
# Real routers from PyPI, each in a virtual environment of its own: target/python/NAME. What is there is kept. Without PyPI
# their cases are skipped: tools/test.sh says so at its end.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}/python

for list in tests/python/*.txt; do
  name=$(basename "$list" .txt)
  venv=$target/$name
  if cmp -s "$list" "$venv/installed.txt"; then continue; fi
  echo "==> $name from PyPI" >&2
  rm -rf "$venv"
  if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$list"; then
    cp "$list" "$venv/installed.txt"
  else
    rm -rf "$venv"
    echo "warning: $name could not be installed" >&2
  fi
done
