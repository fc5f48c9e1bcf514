#!/usr/bin/env bash
# Installs what the tests need and is missing: brokers, Modbus servers, a store, strace, a browser, systemd-analyze,
# cargo-deny;
# with `fuzz` a C++ compiler too.
# No packaged service is started: a policy file says no to each for as long as this runs.
set -euo pipefail
declare -A needs=(
  [mosquitto]=mosquitto [mosquitto_pub]=mosquitto-clients [victoria-metrics]=victoria-metrics
  [rabbitmq-server]=rabbitmq-server [nats-server]=nats-server
  [strace]=strace [chromium]=chromium [systemd-analyze]=systemd
)
# libFuzzer is C++.
[ "${1:-}" != fuzz ] || needs[c++]=g++
missing=()
for command in "${!needs[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null || missing+=("${needs[$command]}")
done
[ -e /usr/include/modbus/modbus.h ] || [ -e /usr/local/include/modbus/modbus.h ] || missing+=(libmodbus-dev)
for python in /usr/bin/python3 python3; do "$python" -c 'import pymodbus.server' 2>/dev/null && break; done || missing+=(python3-pymodbus python3-serial python3-serial-asyncio)
fc-list 2>/dev/null | grep -i 'noto.*cjk' >/dev/null || missing+=(fonts-noto-cjk)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { echo "install by hand, there is no apt-get here: ${missing[*]}" >&2; exit 1; }
  sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo"
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null; $sudo chmod 755 $policy
    trap '$sudo rm -f $policy' EXIT
  fi
  echo "installing: ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
# The broker aedes, beside the server that the tests make of it.
aedes=$(dirname "$0")/../peers/aedes
if command -v npm >/dev/null && { [ ! -d "$aedes/node_modules" ] || [ "$aedes/package-lock.json" -nt "$aedes/node_modules/.installed" ]; }; then
  npm --prefix "$aedes" ci --no-audit --no-fund --loglevel=error
  touch "$aedes/node_modules/.installed"
fi
