#!/usr/bin/env bash
# Fuzzes each target for some seconds (first argument), beginning with the kept seeds. What is found stands in
# target/fuzz/found. `keep` as second argument adds what reached new places to the seeds, cut to the least that does.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}
tests/scripts/install.sh fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# Coverage by the compiler that is there: no nightly, no sanitizer.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
cargo build --release --locked --manifest-path tests/fuzz/Cargo.toml --target "$host" --target-dir target/fuzz
fuzz=target/fuzz/$host/release/fuzz
mkdir -p target/fuzz/found
for target in $(ls tests/fuzz/seeds); do
  corpus=target/fuzz/corpus/$target
  mkdir -p "$corpus"
  echo "== fuzz $target"
  failed=0
  ORDERLY_FUZZ=$target "$fuzz" -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=1024 -timeout=5 -print_final_stats=1 \
    -artifact_prefix="target/fuzz/found/$target-" "$corpus" "tests/fuzz/seeds/$target" > "target/fuzz/$target.log" 2>&1 || failed=1
  grep -E 'stat::number_of|stat::average_exec|DONE|ERROR|panicked|SUMMARY' "target/fuzz/$target.log" || true
  [ $failed = 0 ] || { tail -n 40 "target/fuzz/$target.log"; echo "FAILED: $target"; exit 1; }
  if [ "${2:-}" = keep ]; then
    ORDERLY_FUZZ=$target "$fuzz" -merge=1 -max_len=256 "tests/fuzz/seeds/$target" "$corpus" 2>/dev/null
  fi
done
