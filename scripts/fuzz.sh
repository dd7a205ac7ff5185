#!/usr/bin/env bash
# Fuzzes every reader of files for so many seconds each, one on each core: `scripts/fuzz.sh [SECONDS] [TARGET …]`.
#
# Runs on the stable toolchain: no sanitizer is needed where the readers hold no unsafe code. An input that fails lies in
# fuzz/artifacts; what a target printed, in target/fuzz/TARGET.log.
set -euo pipefail
cd "$(dirname "$0")/.."

export SECONDS_EACH=${1:-60}
shift || true
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then mapfile -t targets < <(cargo fuzz list --fuzz-dir fuzz); fi

# Every input is written to a file first, which a disk does slowly.
if [[ -w /dev/shm ]]; then export TMPDIR=/dev/shm; fi
# The pictures of the tests are seeds.
mkdir -p fuzz/corpus/picture
tar xzf evaluation/data/tests/pictures/pictures.tar.gz -C fuzz/corpus/picture

fuzz() {
  local target=$1 log=target/fuzz/$1.log
  mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
  if cargo fuzz run --fuzz-dir fuzz --sanitizer none --target-dir target/fuzz "$target" \
    "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 >"$log" 2>&1; then
    printf '%-12s %s\n' "$target" "$(sed -n 's/^stat::\(number_of_executed_units\|peak_rss_mb\|slowest_unit_time_sec\): */\1 /p' "$log" | paste -sd ' ')"
  else
    # Whole inputs are in the log too.
    grep -A 3 -m 1 'panicked at\|ERROR: libFuzzer' "$log" | cut -c 1-500
    echo "$target failed: see $log and fuzz/artifacts/$target"
    return 1
  fi
}
export -f fuzz

cargo fuzz build --fuzz-dir fuzz --sanitizer none --target-dir target/fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
