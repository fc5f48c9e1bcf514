#!/usr/bin/env bash
# Clippy, where the toolchain has it.
set -euo pipefail
cd "$(dirname "$0")/../.."
if cargo clippy --version >/dev/null 2>&1; then
  cargo clippy --workspace --all-targets --locked --quiet -- --deny warnings
else
  echo "skipped: this toolchain has no clippy (rustup component add clippy)"
fi
