#!/usr/bin/env bash
# The tests run on a real PostgreSQL, a real Redis and real routers in Python: found where they are, else installed from
# Debian's packages.
set -euo pipefail

have_postgres() { command -v postgres >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
have_redis() { command -v redis-server >/dev/null 2>&1; }
have_openssl() { command -v openssl >/dev/null 2>&1; }

have_venv() { python3 -c 'import venv, ensurepip' >/dev/null 2>&1; }

want=()
have_postgres || want+=(postgresql)
have_redis || want+=(redis-server)
have_openssl || want+=(openssl)
have_venv || want+=(python3-venv)
[ ${#want[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "error: the tests need PostgreSQL 15 or newer, Redis, openssl and Python 3 with venv; install ${want[*]} with this system's package manager, then run the command again" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "error: the tests need ${want[*]}; run: sudo apt-get install -y ${want[*]}" >&2
  exit 1
fi

echo "==> installing ${want[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# The packages would start their services; the tests start their own in their own directories.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=1
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
apt-get update -q >/dev/null
apt-get install -y -q --no-install-recommends "${want[@]}" >/dev/null
