#!/usr/bin/env bash
# Checks that every crate of the workspace compiles by itself, with its tests: no crate may lean on a feature or a
# dependency that only the whole workspace turns on.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(cargo metadata --no-deps --format-version 1 |
  python3 -c 'import json, sys; print(*(p["name"] for p in json.load(sys.stdin)["packages"]))')
for package in $packages; do
  cargo check --quiet --release --package "$package" --all-targets || {
    echo "$package does not compile alone" >&2
    exit 1
  }
  echo "$package compiles alone"
done
