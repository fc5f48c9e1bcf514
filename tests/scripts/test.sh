#!/usr/bin/env bash
# Runs every test on one build and prints the seconds of each group. `long` runs the full numbers instead of samples.
set -euo pipefail
cd "$(dirname "$0")/../.."
size=${1:-short}
export CARGO_TERM_COLOR=never
[ "$size" = long ] && export ORDERLY_LONG=1
table=()
started=$SECONDS

# Runs one group and notes its time; the first failure ends the run with the group's name.
group() {
  local name=$1 from=$SECONDS; shift
  echo "== $name"
  "$@" || { echo "FAILED: $name"; exit 1; }
  table+=("$(printf '%6d s  %s' $((SECONDS - from)) "$name")")
}

group "install what is missing"      tests/scripts/install.sh
group "boards: build"                tests/scripts/web.sh
group "boards: unit tests and types" npm --prefix dashboards/web test --silent
group "build"                        cargo build --workspace --all-targets --locked
group "format"                       cargo fmt --all --check
group "lints"                        tests/scripts/lint.sh
group "licences, bans, sources"      tests/scripts/deny.sh
# The full numbers are shown: they are what the run is for.
show=(); [ "$size" = short ] || show=(-- --show-output)
group "unit tests"                   cargo test --workspace --lib --bins --locked "${show[@]}"
group "integration tests"            cargo test --package orderly-tests --test it --locked "${show[@]}"
[ "$size" = short ] || group "fuzzing, 20 s each" tests/scripts/fuzz.sh 20

echo
echo "== seconds per group ($size)"
printf '%s\n' "${table[@]}"
printf '%6d s  in all\n' $((SECONDS - started))
