"""Models and oracles as users have them, as components of an experiment."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import sys
from typing import Any, Iterator, Optional

from fmr import _assets, _native

Table = "dict[str, Any]"

LIBRARIES = (".so", ".dylib", ".dll")


class Oracle:
    """A torch module or a callable on numpy arrays that gives class probabilities; with `softmax=True`, logits.

    Its method `set_classes(names, templates)` is called where it has one.
    """

    def __init__(self, model: Any, *, softmax: bool = False, name: Optional[str] = None) -> None:
        self.model, self.softmax, self.name = model, softmax, name


def is_module(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def name_of(model: Any) -> str:
    """What tables call it."""
    return str(getattr(model, "__name__", None) or type(model).__name__)


def table_of(model: Any, role: str, key: str, *, version: Optional[str], objects: "dict[str, Any]") -> "dict[str, Any]":
    """The table of an experiment for what a user named or gave; objects are added to `objects` under `key`."""
    softmax = False
    label: Optional[str] = None
    if isinstance(model, Oracle):
        softmax, label, model = model.softmax, model.name, model.model
    if isinstance(model, dict):
        return dict(model)
    if isinstance(model, (str, os.PathLike)):
        return named(os.fspath(model), role)
    if not callable(model):
        raise TypeError(
            f"the {role} is a {type(model).__name__}; give a torch.nn.Module, a callable on numpy arrays, a name, the path of "
            f"a plugin or a table of settings"
        )
    objects[key] = model
    table = {"kind": _native.in_process, "object": key, "name": label or name_of(model)}
    table["label"] = table["name"]
    table["digest"] = digest(model)
    if version is not None:
        table["version"] = version
    if softmax:
        table["softmax"] = True
    return table


def named(name: str, role: str) -> "dict[str, Any]":
    """A component that comes with the package, a plugin's library, or a model of the zoo."""
    known = _assets.components(role)
    if name in known:
        return dict(known[name])
    if name.endswith(LIBRARIES):
        return {"plugin": os.path.abspath(name)}
    if role == "target":
        return {"kind": "zoo", "model": name}
    raise ValueError(f"there is no {role} {name!r}; the names are {', '.join(sorted(known))}; or give a table of settings")


def digest(model: Any) -> str:
    """What is known of a model's contents: two models with equal digests give equal results, as far as a program can see.
    What a function closes over is not seen; `version` is for that."""
    found = hashlib.sha256()

    def add(text: str) -> None:
        found.update(text.encode())
        found.update(b"\0")

    kind = model if inspect.isroutine(model) else type(model)
    add(f"{kind.__module__}.{kind.__qualname__}")
    with contextlib.suppress(OSError, TypeError):
        add(inspect.getsource(kind))
    if is_module(model):
        add(repr(model))
        for name, tensor in model.state_dict().items():
            values = getattr(tensor, "detach", lambda tensor=tensor: tensor)()
            add(f"{name} {getattr(values, 'dtype', '')} {tuple(getattr(values, 'shape', ()))}")
            found.update(bytes_of(values))
    return f"sha256:{found.hexdigest()}"


def bytes_of(values: Any) -> bytes:
    """The memory of a tensor; of anything else its text."""
    import torch

    if not isinstance(values, torch.Tensor):
        return repr(values).encode()
    flat = values.cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


@contextlib.contextmanager
def wrapped(objects: "dict[str, Any]", device: str) -> Iterator["dict[str, Any]"]:
    """The objects as the engine calls them. Modules are in evaluation mode and track no gradients of parameters meanwhile,
    and come back as they were."""
    bridge = _native.bridge
    with contextlib.ExitStack() as stack:
        for model in objects.values():
            if is_module(model):
                stack.enter_context(as_before(model))
        try:
            yield {key: bridge.wrap(model, device) for key, model in objects.items()}
        finally:
            bridge.limit_threads(0)


@contextlib.contextmanager
def as_before(model: Any) -> Iterator[None]:
    training = [(module, module.training) for module in model.modules()]
    tracked = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    places = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    try:
        yield
    finally:
        if len(places) == 1:
            model.to(places.pop())
        for module, mode in training:
            module.training = mode
        for parameter, tracks in tracked:
            parameter.requires_grad_(tracks)


def normalized(model: Any, mean: Any, std: Any, *, size: Optional[int] = None, grey: bool = False) -> Any:
    """A torch module that prepares images [n, 3, h, w] in [0, 1] for `model`, differentiably: resizes them to squares of
    `size`, makes them grey (`grey=True`: one channel), subtracts `mean` and divides by `std`."""
    import torch

    class Normalized(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).reshape(-1, 1, 1))
            self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).reshape(-1, 1, 1))

        def forward(self, images: Any) -> Any:
            if size is not None and tuple(images.shape[-2:]) != (size, size):
                images = torch.nn.functional.interpolate(
                    images, size=(size, size), mode="bilinear", align_corners=False, antialias=True
                )
            if grey:
                images = images.mean(dim=1, keepdim=True)
            return self.model((images - self.mean) / self.std)

        def extra_repr(self) -> str:
            return f"size={size}, grey={grey}"

    wrapper = Normalized()
    wrapper.__class__.__name__ = name_of(model)
    return wrapper.train(model.training) if is_module(model) else wrapper
