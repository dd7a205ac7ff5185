#!/usr/bin/env bash
# Fuzzes every reader of files for so many seconds each: `scripts/fuzz.sh [SECONDS] [TARGET …]`.
#
# Runs on the stable toolchain: no sanitizer is needed where the readers hold no unsafe code. What is found lies in
# fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then mapfile -t targets < <(cd fuzz && cargo fuzz list); fi
for target in "${targets[@]}"; do
  echo "== $target"
  mkdir -p "fuzz/corpus/$target"
  cargo fuzz run --fuzz-dir fuzz --sanitizer none --target-dir target/fuzz "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=0 -verbosity=0
done
