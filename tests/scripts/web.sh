#!/usr/bin/env bash
# Builds dashboards/web/dist when it is missing or older than its sources.
set -euo pipefail
cd "$(dirname "$0")/../../dashboards/web"
command -v npm >/dev/null || { echo "npm is missing: install Node.js 20.19 or later" >&2; exit 1; }
node -e 'const [a,b]=process.versions.node.split(".").map(Number); process.exit(a>20||(a==20&&b>=19)?0:1)' \
  || { echo "Node.js $(node --version) is too old: 20.19 or later is needed" >&2; exit 1; }
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.installed ]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.installed
fi
if [ ! -f dist/index.html ] || [ -n "$(find src public index.html vite.config.* tsconfig.json package-lock.json -newer dist/index.html -print -quit 2>/dev/null)" ]; then
  npm run --silent build
fi
