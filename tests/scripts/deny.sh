#!/usr/bin/env bash
# Licences, bans and sources of every dependency; advisories where ORDERLY_ADVISORY_DB names a checked-out database.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.20.2
tool=target/tools/bin/cargo-deny
if [ ! -x $tool ]; then
  if found=$(command -v cargo-deny) && [ "$("$found" --version)" = "cargo-deny $version" ]; then
    tool=$found
  else
    echo "building cargo-deny $version once, into target/tools"
    cargo install --quiet --locked --debug --root target/tools --version $version cargo-deny
  fi
fi
"$tool" --locked check --hide-inclusion-graph licenses bans sources
if [ -n "${ORDERLY_ADVISORY_DB:-}" ]; then
  "$tool" --locked --offline check --hide-inclusion-graph advisories
else
  echo "advisories skipped: ORDERLY_ADVISORY_DB does not name an advisory database"
fi
