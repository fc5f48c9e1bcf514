#!/usr/bin/env bash
# The figures, from the release build, in about six minutes. Arguments choose some of them: t1 t2 t5 t8 t9 t11 t13 tcommand tdecode tregistry tengine.
# Where the time goes by function is printed when perf is installed (Debian: linux-perf).
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/scripts/install.sh
cargo build --release --locked --package orderly
cargo bench --locked --package orderly-tests --bench figures -- "$@"
