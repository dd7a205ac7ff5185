#!/usr/bin/env bash
# Builds the wheel, installs it in an empty environment with PyTorch, pandas, polars and pyarrow, and runs the package's
# tests, which skip nothing. FMR_TEST_VENV names an environment to use instead (it has these and maturin).
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${FMR_TEST_VENV:-}
if [[ -z $venv ]]; then
  venv=target/python-venv
  rm -rf "$venv"
  python3 -m venv "$venv"
  # PyTorch for the processor alone is a tenth of the size; where its index cannot be reached, the ordinary one does.
  "$venv/bin/pip" install -q --disable-pip-version-check torch --index-url https://download.pytorch.org/whl/cpu ||
    "$venv/bin/pip" install -q --disable-pip-version-check torch
  "$venv/bin/pip" install -q --disable-pip-version-check 'maturin>=1.9,<2' numpy pytest pandas polars pyarrow mypy tqdm
fi
venv=$(cd "$venv" && pwd)
PYTHON=$venv/bin/python scripts/build-wheel.sh --interpreter "$venv/bin/python"
"$venv/bin/pip" install -q --disable-pip-version-check --no-deps --force-reinstall target/wheels/fmr-*.whl
# From elsewhere, so that the wheel is tested and not the sources.
cd bindings/python/tests
"$venv/bin/python" -m pytest -q -p no:cacheprovider .
"$venv/bin/fmr" --version
