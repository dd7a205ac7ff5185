#!/usr/bin/env bash
# Runs the code at the plugins' border under a memory checker:
#   miri      interprets both sides in one process (`cargo +nightly miri`); finds undefined behaviour of any kind
#   asan      AddressSanitizer on the host, with plugins in Rust and C (nightly toolchain)
#   valgrind  the release build's tests of the border, as `cargo test` does where valgrind is installed
# Without an argument the first of them that this machine has.
#
#   scripts/check-border.sh [miri|asan|valgrind]
set -euo pipefail
cd "$(dirname "$0")/.."

has() {
  case $1 in
  miri) cargo +nightly miri --version ;;
  asan) compgen -G "$(rustc +nightly --print target-libdir)/librustc*_rt.asan.*" ;;
  valgrind) valgrind --version ;;
  *) false ;;
  esac >/dev/null 2>&1
}

checker=${1:-}
if [[ -z $checker ]]; then
  for each in miri asan valgrind; do has "$each" && checker=$each && break; done
  [[ -n $checker ]] || { echo "none of Miri, AddressSanitizer and valgrind is installed" >&2; exit 1; }
elif ! has "$checker"; then
  echo "$checker is not installed, or no checker: there are miri, asan and valgrind" >&2
  exit 1
fi
echo "== $checker"

# Snapshots must not ask cargo, as a process of its own, where they lie.
export INSTA_WORKSPACE_ROOT=$PWD INSTA_UPDATE=no
case $checker in
miri)
  # Loading and C are beyond Miri; both sides of the border meet in one process there. Time is needed for limits.
  export MIRIFLAGS="${MIRIFLAGS:-} -Zmiri-disable-isolation"
  cargo +nightly miri test -p fmr-plugins --lib --test sdk --test versions
  ;;
asan)
  target=$(rustc +nightly -vV | sed -n 's/^host: //p')
  export RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
  # The guard leaks, on purpose, the payload of a panic that panics when it is dropped. All else comes back.
  for each in detect_leaks=0:sdk detect_leaks=0:versions detect_leaks=1:c_plugins detect_leaks=1:c_added detect_leaks=1:check; do
    ASAN_OPTIONS=${each%:*} cargo +nightly test -p fmr-plugins --target "$target" --test "${each#*:}"
  done
  ;;
valgrind)
  cargo test --release --workspace --no-run --test sdk --test versions --test c_plugins --test c_added --test memory
  cargo test --release --workspace --test memory -- --nocapture
  ;;
esac
