"""From Python objects to an experiment, and from there to a result."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from fmr import _data, _model, _native
from fmr._progress import Listener, OnBatch
from fmr._result import Result

PathLike = Union[str, "os.PathLike[str]"]

# The file in a run's folder that holds its results.
DATABASE = "run.sqlite"


def evaluate(
    model: Any,
    data: Any = "cifar10",
    generator: Any = "vqgan-small",
    oracle: Any = "clip-small",
    *,
    n: Optional[int] = None,
    budget: int = 50,
    step_size: float = 0.001,
    scorer: Any = "cross-entropy",
    classes: Optional[Sequence[str]] = None,
    layout: str = "nchw",
    resolution: Optional[int] = None,
    templates: Optional[Sequence[str]] = None,
    seed: int = 0,
    device: str = "cpu",
    lanes: int = 0,
    batch: int = 0,
    out: Optional[PathLike] = None,
    name: str = "evaluate",
    version: Optional[str] = None,
    progress: bool = True,
    on_batch: Optional[OnBatch] = None,
    **search: Any,
) -> Result:
    """Measures a model: how often it is right on images that it was moved away from and the oracle still recognises.

    `model`: a `torch.nn.Module` that takes images [n, 3, h, w] in [0, 1] and gives logits; a callable on numpy arrays, with
    a method `vjp(images, cotangent)` if it has a gradient; a name (`"lenet"`, `"resnet18-w24"`, a model of the zoo); the
    path of a plugin; or a table of settings as experiment files have them.

    `data`: `"cifar10"`, `"mnist"`, a folder or tar of class folders, a pair of arrays (images, labels), or a data set of
    torchvision. Images are kept in 8 bits. `n`: at most this many images, the classes in equal numbers.

    `search`: further keys of the table `[search]`, such as `rule="sign"`; `scorer` a name or a table.

    `out`: the run's folder. A run that is there already goes on, if nothing that matters has changed. Without it the run
    lives as long as the result; `Result.save` keeps it.

    `version`: names the model's state where a program cannot see it (closures, remote models); part of the fingerprint.

    `on_batch(done, of, endings)` is called at most ten times a second.
    """
    kept = None if out is not None else tempfile.TemporaryDirectory(prefix="fmr-")
    folder = Path(out) if out is not None else Path(kept.name) / "run"  # type: ignore[union-attr]
    beside = folder.with_name(f"{folder.name}.images.tar")
    objects: "dict[str, Any]" = {}
    given = {"n": n, "budget": budget, "lanes": lanes, "batch": batch, "seed": seed}
    for key, value in given.items():
        if value is not None and (not isinstance(value, int) or value < (1 if key == "n" else 0)):
            raise ValueError(f"{key} must be a whole number; found {value!r}")
    table = _data.table_of(data, classes=classes, layout=layout, beside=beside)
    for key, value in {"limit": n, "resolution": resolution, "templates": templates}.items():
        if value is not None:
            table[key] = value if key != "templates" else list(value)
    target = _model.table_of(model, "target", "model", version=version, objects=objects)
    data_name, target_name = (_slug(table.get("label", "data")), _slug(target.get("label", "model")))
    experiment = {
        "name": name,
        "title": "Evaluation",
        "data": {data_name: table},
        "targets": {target_name: target},
        "generators": {"generator": _model.table_of(generator, "generator", "generator", version=None, objects=objects)},
        "oracles": {"oracle": _model.table_of(oracle, "oracle", "oracle", version=None, objects=objects)},
        "scorer": dict(scorer) if isinstance(scorer, Mapping) else {"kind": scorer},
        "search": {"budget": budget, "step-size": step_size, **{key.replace("_", "-"): value for key, value in search.items()}},
        "run": {"seed": seed, "device": device, "lanes": lanes, "batch": batch},
        "report": {"world": "small"} if generator == "vqgan-small" else {},
        "rows": [{"data": data_name, "target": target_name, "generator": "generator", "oracle": "oracle"}],
    }
    if "generator" in objects:
        raise TypeError("a generator cannot be a Python object yet; give a name, the path of a plugin or a table of settings")
    text = _native.experiment_text(json.dumps(experiment))
    file = Path.cwd() / f"{name}.toml"
    return execute(
        file=file, text=text, out=folder, kept=kept, objects=objects, device=device, progress=progress, on_batch=on_batch
    )


def run(
    file: PathLike,
    *,
    quick: bool = False,
    profile: Optional[str] = None,
    set: Optional[Mapping[str, Any]] = None,
    n: Optional[int] = None,
    out: Optional[PathLike] = None,
    shard: Optional["tuple[int, int]"] = None,
    progress: bool = True,
    on_batch: Optional[OnBatch] = None,
) -> Result:
    """Runs an experiment file, as `fmr run` does.

    `quick` and `profile` choose a profile of the file; `set={"search.budget": 10}` changes values; `n` limits every data
    set; `shard=(i, of)`, from 0, does every `of`-th image only. A run that is in `out` already goes on.
    """
    profile = "quick" if quick else profile
    return execute(
        file=Path(file), profile=profile, values=set, limit=n, out=out, shard=shard, progress=progress, on_batch=on_batch
    )


def resume(
    folder: PathLike, *, model: Any = None, oracle: Any = None, progress: bool = True, on_batch: Optional[OnBatch] = None
) -> Result:
    """Resumes a run by the experiment that it keeps. `model` and `oracle` are the objects that it was begun with, where it
    was begun with objects."""
    objects = {}
    for key, value in {"model": model, "oracle": oracle}.items():
        if value is not None:
            _model.table_of(value, key, key, version=None, objects=objects)
    return execute(file=None, out=folder, objects=objects, progress=progress, on_batch=on_batch)


def load(folder: PathLike) -> Result:
    """The result that lies in a run's folder, finished or not."""
    return Result(Path(folder))


def _slug(label: str) -> str:
    """A name for a table: what a label has of small letters, digits and `-`."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "given"


def execute(
    *,
    file: Optional[Path],
    text: Optional[str] = None,
    profile: Optional[str] = None,
    values: Optional[Mapping[str, Any]] = None,
    limit: Optional[int] = None,
    out: Optional[PathLike] = None,
    shard: Optional["tuple[int, int]"] = None,
    kept: Any = None,
    objects: Optional["dict[str, Any]"] = None,
    device: str = "cpu",
    progress: bool = True,
    on_batch: Optional[OnBatch] = None,
) -> Result:
    listener = Listener(progress, on_batch)
    exists = out is not None and (Path(out) / DATABASE).exists()
    try:
        with _model.wrapped(objects or {}, device) as wrapped:
            folder = _native.execute(
                file=file,
                text=text,
                profile=profile,
                values=[(key, json.dumps(value)) for key, value in (values or {}).items()],
                limit=limit,
                out=out,
                resume=exists or file is None,
                shard=shard,
                objects=wrapped,
                listener=listener,
            )
    except BaseException as error:
        if kept is None and listener.folder is not None and hasattr(error, "add_note"):
            error.add_note(f"What is done is kept in {listener.folder}; the same call with out={str(listener.folder)!r} goes on.")
        raise
    finally:
        listener.close()
    result = Result(Path(folder), kept=kept)
    result.warn()
    return result
