"""Models that tests share. CI installs PyTorch, pandas, polars and pyarrow; a missing one is a failure, not a skip."""

import numpy
import pytest
import torch

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


class Linear:
    """Logits are a linear map of the image, in numpy."""

    def __init__(self, seed=0):
        generator = numpy.random.default_rng(seed)
        self.weights = generator.normal(size=(3 * 32 * 32, 10)).astype(numpy.float32) * 0.05

    def __call__(self, images):
        return images.reshape(len(images), -1) @ self.weights

    def vjp(self, images, cotangent):
        return (cotangent @ self.weights.T).reshape(images.shape)


class TorchLinear(torch.nn.Module):
    """The same in PyTorch, with what a model in training has: a dropout and tracked parameters."""

    def __init__(self, linear):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.from_numpy(linear.weights.copy()))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, images):
        return self.dropout(images.flatten(1)) @ self.weights


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Validity flags of tiny runs are warnings; they are no errors of tests."""


@pytest.fixture
def linear():
    return Linear()


@pytest.fixture
def torch_linear(linear):
    return TorchLinear(linear)


@pytest.fixture
def photographs():
    """Twelve images in bytes [n, c, h, w], with labels."""
    images = numpy.random.default_rng(1).integers(0, 256, size=(12, 3, 32, 32), dtype=numpy.uint8)
    return images, numpy.arange(12) % 10


def records(result):
    """All columns of all samples, comparable."""
    return result.samples.to_arrow().to_pydict()
