#!/usr/bin/env bash
# Builds the wheel of the Python package into target/wheels, with the small world's weights inside, and checks its size.
# It shares target/release with the workspace. PYTHON names the Python that has maturin; arguments go to maturin, e.g.
# --zig --compatibility manylinux2014 for a wheel that older systems take.
set -euo pipefail
cd "$(dirname "$0")/../bindings/python"

python=${PYTHON:-python3}
rm -f ../../target/wheels/fmr-*.whl
"$python" -m maturin build --release --out ../../target/wheels "$@"
wheel=$(echo ../../target/wheels/fmr-*.whl)
bytes=$(wc -c <"$wheel")
echo "$(basename "$wheel"): $((bytes / 1000000)) MB"
((bytes <= 60000000)) || { echo "the wheel is larger than 60 MB" >&2; exit 1; }
