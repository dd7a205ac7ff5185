"""What comes with the package: the small world's weights and data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Where it lies: `FMR_ASSETS`, the package, or the repository that the package is used from."""
    given = os.environ.get("FMR_ASSETS")
    return Path(given) if given else Path(__file__).parent / "assets"


def asset(name: str) -> str:
    path = folder() / name
    if not path.exists():
        raise FileNotFoundError(f"this installation lacks {name}; set FMR_ASSETS to the folder `assets` of fmr's repository")
    return str(path.resolve())


def components(role: str) -> "dict[str, dict[str, Any]]":
    """Tables of the components of that role, by name."""

    def zoo(model: str, label: str, file: str) -> "dict[str, Any]":
        return {"kind": "zoo", "label": label, "model": model, "weights": asset(f"weights/{file}.safetensors")}

    if role == "generator":
        weights = asset("weights/vqgan-small.safetensors")
        return {"vqgan-small": {"kind": "vqgan", "label": "VQGAN (small, f = 2)", "weights": weights}}
    if role == "oracle":
        weights = asset("weights/clip-small.safetensors")
        return {"clip-small": {"kind": "clip", "label": "CLIP (small)", "weights": weights}}
    return {
        "lenet": zoo("lenet", "LeNet", "lenet"),
        "resnet18-w16": zoo("cifar-resnet18-w16", "ResNet18 (w16)", "resnet18-w16"),
        "resnet18-w24": zoo("cifar-resnet18-w24", "ResNet18 (w24)", "resnet18-w24"),
    }


def data() -> "dict[str, dict[str, Any]]":
    """Tables of the data sets, by name: a thousand test images each."""
    cifar10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
    return {
        "mnist": {
            "label": "MNIST",
            "kind": "idx",
            "images": asset("data/mnist-test-1000-images-idx3-ubyte.gz"),
            "labels": asset("data/mnist-test-1000-labels-idx1-ubyte.gz"),
        },
        "cifar10": {
            "label": "CIFAR-10",
            "kind": "images",
            "path": asset("data/cifar10-test-1000.tar"),
            "prefix": "cifar10/test",
            "classes": cifar10,
        },
    }
