"""What goes wrong says so, with its cause."""

import numpy
import pytest
import torch
from conftest import CLASSES

import fmr


def fails(model):
    return fmr.evaluate(model, n=4, budget=3, progress=False)


def test_a_model_that_raises_is_the_cause(linear):
    class Tired(type(linear)):
        calls = 0

        def __call__(self, images):
            self.calls += 1
            if self.calls > 3:
                raise ZeroDivisionError("no more")
            return super().__call__(images)

    with pytest.raises(fmr.ModelError) as raised:
        fails(Tired())
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    frames = []
    trace = raised.value.__cause__.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "__call__" in frames


def test_logits_without_a_gradient(torch_linear):
    class Numpy(torch.nn.Module):
        def forward(self, images):
            return torch.from_numpy(torch_linear(images).detach().numpy())

    with pytest.raises(fmr.ModelError) as raised:
        fails(Numpy())
    assert "leaves autograd" in str(raised.value.__cause__)


def test_another_number_of_classes(linear):
    with pytest.raises(fmr.ConfigError, match="gives 3 logits, .* has 10 classes"):
        fails(lambda images: images.mean(axis=(2, 3)))


def test_no_model():
    with pytest.raises(TypeError, match="the target is a int"):
        fails(3)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"budgets": 3}, fmr.ConfigError, "budgets"),
        ({"n": 0}, ValueError, "n must be a whole number"),
        ({"generator": "vqgan-smal"}, ValueError, "the names are vqgan-small"),
        ({"data": "cifar11"}, FileNotFoundError, "the names are mnist, cifar10"),
        ({"scorer": "marign"}, fmr.ConfigError, "margin"),
        ({"device": "cuda"}, fmr.ConfigError, "device"),
    ],
)
def test_arguments_that_make_no_sense(arguments, error, text):
    with pytest.raises(error, match=text):
        fmr.evaluate("resnet18-w16", **{"budget": 1, "n": 2, "progress": False, **arguments})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda images, labels: (images.astype(numpy.float32), labels), r"must lie in \[0, 1\]; found 0 to 255"),
        (lambda images, labels: (images[:, :2], labels), "1 or 3 channels; found 2"),
        (lambda images, labels: (images[0], labels), "array"),
        (lambda images, labels: (images, labels[:3]), "labels must be 12"),
        (lambda images, labels: (images, labels + 5), "a label is"),
    ],
)
def test_images_that_are_none(linear, photographs, change, text):
    with pytest.raises(ValueError, match=text):
        fmr.evaluate(linear, change(*photographs), classes=CLASSES, budget=1, progress=False)


def test_classes_have_to_be_known(linear, photographs):
    with pytest.raises(ValueError, match="name them in label order"):
        fmr.evaluate(linear, photographs, budget=1, progress=False)


def test_a_data_loader_is_no_data_set(linear, photographs):
    with pytest.raises(TypeError, match="give the data set itself"):
        fmr.evaluate(linear, torch.utils.data.DataLoader(list(zip(*photographs))), budget=1, progress=False)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(fmr.StoreError, match=str(tmp_path)):
        fmr.load(tmp_path)


def test_an_experiment_file_that_is_wrong(tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text("serch.budget = 3\n")
    with pytest.raises(fmr.ConfigError, match=r"wrong.toml:1:1: .*serch"):
        fmr.run(file, progress=False)


def test_an_exception_of_a_callback_ends_the_run(linear):
    def stop(*_):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        fmr.evaluate(linear, n=4, budget=1, progress=False, on_batch=stop)
