#!/usr/bin/env bash
# The figures, from the release build. Arguments choose some of them: t1 t5 t11 t13 tcommit.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/scripts/install.sh
cargo build --release --locked --package orderly
cargo bench --locked --package orderly-tests --bench figures -- "$@"
