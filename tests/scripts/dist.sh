#!/usr/bin/env bash
# Lays out what a package installs, below target/dist.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked --package orderly
out=target/dist
rm -rf "$out"
install -Dm755 target/release/orderly "$out/usr/bin/orderly"
install -Dm644 systemd/orderly.service "$out/usr/lib/systemd/system/orderly.service"
install -Dm644 systemd/orderly.sysusers "$out/usr/lib/sysusers.d/orderly.conf"
install -Dm644 systemd/orderly.tmpfiles "$out/usr/lib/tmpfiles.d/orderly.conf"
for doc in README.md README.zh-CN.md CHANGELOG.md LICENSE; do install -Dm644 $doc "$out/usr/share/doc/orderly/$doc"; done
(cd device-profiles && find . \( -name '*.toml' -o -name '*.js' -o -name '*.schema.json' \) -exec install -Dm644 {} "../$out/usr/share/orderly/device-profiles/{}" \;)
echo "laid out in $out"
