#!/usr/bin/env bash
# The perturbation loop here and in PyTorch, in turn: scripts/bench-loop.sh PEER.py SCENARIO IMAGES ITERATIONS [ROUNDS]
# Prints one JSON line a run. Build `bench_loop` first; PYTHON names the interpreter that has PyTorch.
set -euo pipefail
peer=$1 scenario=$2 images=$3 iterations=$4 rounds=${5:-3}
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=(--scenario "$scenario" --images "$images" --iterations "$iterations")

kept() {
    MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 "$python" "$peer" "${work[@]}" "$@" | tail -n 1
}

for ((round = 0; round < rounds; round++)); do
    "$here/target/release/examples/bench_loop" "${work[@]}"
    for batch in 1 2 4 8 16; do
        if ((batch <= images)); then kept --style best --batch "$batch"; fi
    done
    kept --style best --batch "$((images < 4 ? images : 4))" --channels-last
    "$python" "$peer" "${work[@]}" --style best --batch "$((images < 4 ? images : 4))" | tail -n 1
    kept --style naive
done
