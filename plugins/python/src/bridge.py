"""Python's side of the plugin: finds the user's model and speaks arrays with it."""

import importlib.util
import os
import site
import sys
import traceback

# Standard output belongs to fmr.
sys.stdout = sys.stderr


def activate(venv):
    """Puts a virtual environment's packages first."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (os.path.join(venv, "lib", version, "site-packages"), os.path.join(venv, "Lib", "site-packages")):
        if os.path.isdir(folder):
            before = list(sys.path)
            site.addsitedir(folder)
            new = [p for p in sys.path if p not in before]
            sys.path[:] = new + before
            return
    raise RuntimeError(
        f"the virtual environment {venv} holds no packages for {version}, which this plugin was built with; "
        f"make one with that Python, or build the plugin with the environment's (PYO3_PYTHON)"
    )


def find(path, attribute):
    """The object that the settings name."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no module {path}")
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = "fmr_" + os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = ", ".join(n for n in vars(found) if not n.startswith("_")) if hasattr(found, "__dict__") else ""
            raise AttributeError(f"{path} has no attribute {part!r} of {attribute!r}; there are {public}")
        found = getattr(found, part)
    return found() if isinstance(found, type) else found


def array(data, shape):
    import numpy

    return numpy.frombuffer(data, dtype=numpy.float32).reshape(shape).copy()


def data(values):
    """Bytes and shape of an array or a tensor."""
    import numpy

    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    values = numpy.ascontiguousarray(values, dtype=numpy.float32)
    return values.tobytes(), list(values.shape)


class Torch:
    """A torch.nn.Module, in evaluation mode; its parameters track no gradients."""

    differentiable = True

    def __init__(self, model, device):
        import torch

        self.torch, self.device = torch, device
        self.model = model.eval().requires_grad_(False).to(device)

    def tensor(self, values, shape):
        return self.torch.from_numpy(array(values, shape)).to(self.device)

    def forward(self, images, shape):
        with self.torch.no_grad():
            return data(self.model(self.tensor(images, shape)))

    def forward_saving(self, images, shape):
        with self.torch.enable_grad():
            x = self.tensor(images, shape).requires_grad_(True)
            y = self.model(x)
        return data(y), (x, y)

    def pull_back(self, saved, cotangent, shape):
        x, y = saved
        (gradient,) = self.torch.autograd.grad(y, x, self.tensor(cotangent, shape).to(y.dtype))
        return data(gradient)


class Plain:
    """A callable on numpy arrays; `vjp(images, cotangent)` gives its gradient, if it has one."""

    def __init__(self, model):
        self.model = model
        self.differentiable = callable(getattr(model, "vjp", None))

    def forward(self, images, shape):
        return data(self.model(array(images, shape)))

    def forward_saving(self, images, shape):
        x = array(images, shape)
        return data(self.model(x.copy())), x

    def pull_back(self, saved, cotangent, shape):
        return data(self.model.vjp(saved, array(cotangent, shape)))


def wrap(model, device):
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return Torch(model, device)
    if callable(model):
        return Plain(model)
    raise TypeError(f"a {type(model).__name__} is neither a torch.nn.Module nor callable")


def set_classes(wrapped, names, templates):
    setter = getattr(wrapped.model, "set_classes", None)
    if setter is not None:
        setter(names, templates)


def explain(error, trace):
    """What went wrong in the user's words first, then where."""
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    frames = [f for f in traceback.extract_tb(trace) if f.filename != "fmr_bridge.py"]
    where = "".join(traceback.format_list(frames)).rstrip()
    return f"{said}\n{where}" if where else said
