#!/usr/bin/env bash
# Guards the speed of the loop on noisy machines: counts the instructions of one image-iteration of `bench_loop --scenario
# small` under valgrind and compares them with benches/loop/instructions.txt. A difference of more than 3 % fails, in both
# directions: after you make the loop faster, write the new count down (`scripts/count-instructions.sh --write`).
#
# Valgrind shows programs a processor with AVX2 and without AVX-512, so that the count is the same on both.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release --workspace --examples
count() {
  RAYON_NUM_THREADS=1 FMR_ISA=avx2 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    target/release/examples/bench_loop --scenario small --images 1 --lanes 1 --batch 1 --iterations "$1" 2>&1 |
    sed -n 's/.*Collected : //p'
}
# The difference leaves out the work of both runs: loading and warming up.
few=$(count 1)
many=$(count 5)
now=$(((many - few) / 4))
known=benches/loop/instructions.txt
if [[ ${1:-} == --write ]]; then echo "$now" >"$known"; fi
expected=$(<"$known")
permille=$(((now - expected) * 1000 / expected))
echo "one small image-iteration: $now instructions, $expected expected, $permille ‰ more"
if ((permille > 30 || permille < -30)); then
  echo "more than 3 % away: find out why, or write the new count down with --write" >&2
  exit 1
fi
