"""Evaluations of models in the process."""

import math

import numpy
import pytest
import torch
from conftest import CLASSES, records

import fmr

FAST = {"budget": 4, "step_size": 0.05, "progress": False}


def test_a_torch_module_gives_what_the_same_numpy_model_gives(linear, torch_linear):
    ours = fmr.evaluate(linear, n=6, **FAST).samples.to_pandas()
    theirs = fmr.evaluate(torch_linear, n=6, **FAST).samples.to_pandas()
    assert list(ours.final_prediction) == list(theirs.final_prediction)
    assert list(ours.outcome) == list(theirs.outcome)
    numpy.testing.assert_allclose(ours.score0, theirs.score0, rtol=1e-5)
    numpy.testing.assert_allclose(ours.final_score, theirs.final_score, rtol=1e-4)
    # The search goes up.
    assert (ours.final_score[ours.accepted_updates > 0] > ours.score0[ours.accepted_updates > 0]).all()


def test_results_do_not_depend_on_lanes_or_batches(linear):
    runs = [records(fmr.evaluate(linear, n=7, lanes=lanes, batch=batch, **FAST)) for lanes, batch in [(1, 1), (2, 3)]]
    # BLAS rounds a product of one row and of three differently; predictions and endings are the same.
    for column in ("key", "outcome", "accepted_updates", "clean_prediction", "final_prediction"):
        assert runs[0][column] == runs[1][column], column
    numpy.testing.assert_allclose(runs[0]["final_score"], runs[1]["final_score"], rtol=1e-5)


def test_a_module_comes_back_as_it_was(torch_linear):
    torch_linear.train()
    torch_linear.dropout.eval()
    fmr.evaluate(torch_linear, n=2, **FAST)
    assert torch_linear.training and not torch_linear.dropout.training
    assert torch_linear.weights.requires_grad and torch_linear.weights.grad is None


def test_a_callable_without_a_gradient_is_searched_by_estimates(linear):
    result = fmr.evaluate(lambda images: linear(images), n=2, budget=1, progress=False)
    assert len(result.samples) == 2
    assert (result.steps.to_pandas().gradient_norm > 0).all()


def test_an_estimate_has_its_interval_and_n(linear):
    result = fmr.evaluate(linear, n=10, **FAST)
    assert result.sa.n == 10 and result.sa.low <= result.sa.value <= result.sa.high
    assert float(result.sa) == result.sa.value
    assert 0 <= result.vr.value <= 1
    samples = result.samples.to_pandas()
    assert result.sa.value == pytest.approx((samples.clean_prediction == samples.label).mean())
    assert math.isnan(result.fmr.value) or result.fmr.value == pytest.approx(result.pa.value / result.sa.value)
    assert "n = 10" in repr(result.sa)


def test_names_and_objects_take_the_same_road():
    by_name = fmr.evaluate("resnet18-w16", n=3, budget=2, progress=False)
    assert by_name["cifar-10/resnet18-w16"].fmr == by_name.fmr
    assert "Small world" in str(by_name.table)
    assert "<table" in by_name.table._repr_html_() and "Small world" in by_name._repr_html_()


@pytest.mark.parametrize("form", ["bytes", "floats", "tensor", "nhwc"])
def test_arrays_are_data(linear, photographs, form):
    images, labels = photographs
    given = {
        "bytes": lambda: images,
        "floats": lambda: images.astype(numpy.float32) / 255,
        "tensor": lambda: torch.from_numpy(images),
        "nhwc": lambda: images.transpose(0, 2, 3, 1),
    }[form]()
    layout = "nhwc" if form == "nhwc" else "nchw"
    result = fmr.evaluate(linear, (given, labels), classes=CLASSES, layout=layout, **FAST)
    samples = result.samples.to_pandas()
    assert sorted(samples.label) == sorted(labels)
    # A picture's name is its position among what was given.
    for index, key in zip(samples["index"], samples.key):
        position = int(key.split("/")[1].split(".")[0])
        numpy.testing.assert_array_equal(result.images(index).original, images[position] / numpy.float32(255))


class Photographs(torch.utils.data.Dataset):
    classes = CLASSES

    def __init__(self, images, labels):
        self.images, self.labels = torch.from_numpy(images), labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index] / 255, int(self.labels[index])


def test_a_torch_data_set_is_data(linear, photographs):
    result = fmr.evaluate(linear, Photographs(*photographs), **FAST)
    assert list(result.samples.to_pandas()["class"].sort_values().unique()) == sorted(CLASSES)


def test_an_oracle_may_be_an_object(linear):
    class Certain(torch.nn.Module):
        """Says what the file's folder says, because it was told so."""

        def forward(self, images):
            return torch.zeros(len(images), 10)

        def set_classes(self, names, templates):
            assert names == CLASSES and templates == ["an image of {class}"]

    result = fmr.evaluate(linear, n=10, oracle=fmr.Oracle(Certain(), softmax=True), **FAST)
    # It says "airplane" to everything.
    assert set(result.samples.to_pandas().final_oracle_class) == {"airplane"}


def test_a_run_goes_on_where_it_stopped_and_refuses_other_settings(linear, tmp_path):
    out = tmp_path / "run"
    first = fmr.evaluate(linear, n=4, out=out, **FAST)
    again = fmr.evaluate(linear, n=4, out=out, **FAST)
    assert again.folder == out and records(first) == records(again)
    assert records(fmr.load(out)) == records(first)
    assert records(fmr.resume(out, model=linear, progress=False)) == records(first)
    with pytest.raises(fmr.StoreError, match="search.budget"):
        fmr.evaluate(linear, n=4, out=out, **{**FAST, "budget": 5})


def test_other_weights_are_another_model(torch_linear, tmp_path):
    fmr.evaluate(torch_linear, n=2, out=tmp_path / "run", **FAST)
    with torch.no_grad():
        torch_linear.weights[0, 0] += 1
    with pytest.raises(fmr.StoreError, match="target.digest"):
        fmr.evaluate(torch_linear, n=2, out=tmp_path / "run", **FAST)


def test_a_result_can_be_kept(linear, tmp_path):
    result = fmr.evaluate(linear, n=2, **FAST)
    temporary = result.folder
    result.save(tmp_path / "kept")
    samples = records(result)
    assert result.report().read_text().startswith("<!DOCTYPE html>")
    del result
    assert not temporary.exists()
    assert records(fmr.load(tmp_path / "kept")) == samples


def test_a_listener_is_told_on_the_callers_thread(linear):
    import threading

    told = []
    fmr.evaluate(linear, n=4, on_batch=lambda *now: told.append((threading.get_ident(), *now)), **FAST)
    assert told[-1][0] == threading.get_ident()
    assert told[-1][1:3] == (4, 4) and sum(told[-1][3].values()) == 4


def test_grey_models_are_wrapped(photographs):
    grey = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(14 * 14, 10))
    model = fmr.normalized(grey, [0.5], [0.5], size=14, grey=True)
    assert len(fmr.evaluate(model, "mnist", n=2, **FAST).samples) == 2
