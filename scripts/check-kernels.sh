#!/usr/bin/env bash
# Runs the kernels' unit tests under a memory checker: AddressSanitizer (nightly toolchain), which knows all instruction
# sets of this machine, or valgrind, which knows no AVX-512 and gets AVX2. Without an argument the first that is there.
#
#   scripts/check-kernels.sh [asan|valgrind]
set -euo pipefail
cd "$(dirname "$0")/.."

checker=${1:-}
if [[ -z $checker ]]; then
  if compgen -G "$(rustc +nightly --print target-libdir 2>/dev/null)/librustc*_rt.asan.*" >/dev/null; then
    checker=asan
  else
    checker=valgrind
  fi
fi
echo "== $checker"

# A few cases of each property: checked code is slow.
export PROPTEST_CASES=${PROPTEST_CASES:-16}
case $checker in
asan)
  target=$(rustc +nightly -vV | sed -n 's/^host: //p')
  for isa in "" avx2 portable; do
    FMR_ISA=$isa RUSTFLAGS="-Zsanitizer=address" cargo +nightly test --release -p fmr-nn --lib --target "$target" kernels::
  done
  ;;
valgrind)
  export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind -q --error-exitcode=9"
  for isa in avx2 portable; do
    FMR_ISA=$isa cargo test --release --workspace --lib kernels::
  done
  ;;
*)
  echo "there are asan and valgrind" >&2
  exit 1
  ;;
esac
