"""Python's side of the plugin: finds the user's model and speaks arrays with it."""

import importlib.util
import os
import site
import sys
import traceback

# Standard output belongs to fmr.
sys.stdout = sys.stderr


class about:
    """Exceptions inside speak of that setting, unless they know better."""

    def __init__(self, setting):
        self.setting = setting

    def __enter__(self):
        pass

    def __exit__(self, kind, error, trace):
        if error is not None and not hasattr(error, "fmr_setting"):
            error.fmr_setting = self.setting


def make(path, attribute, venv, device, weights):
    """The model that the settings name, wrapped."""
    with about("venv"):
        if venv is not None:
            activate(str(venv))
        need_numpy(venv)
    with about("module"):
        found = load(str(path))
    with about("attribute"):
        found = look_up(found, path, attribute)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(found, torch.nn.Module):
            return Torch(torch, found, device, weights)
        if not callable(found):
            raise TypeError(f"a {type(found).__name__} is neither a torch.nn.Module nor callable")
    if weights is not None:
        with about("weights"):
            raise TypeError("only a torch.nn.Module takes weights; let the module read its own")
    return Plain(found)


active = None


def activate(venv):
    """Puts a virtual environment's packages first."""
    global active
    venv = os.path.abspath(venv)
    if active == venv:
        return
    if active is not None:
        raise RuntimeError(f"one process has one Python, and {active} is its virtual environment already")
    if not os.path.isdir(venv):
        raise FileNotFoundError(f"there is no virtual environment {venv}")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (os.path.join(venv, "lib", version, "site-packages"), os.path.join(venv, "Lib", "site-packages")):
        if os.path.isdir(folder):
            before = list(sys.path)
            site.addsitedir(folder)
            new = [p for p in sys.path if p not in before]
            sys.path[:] = new + before
            active = venv
            return
    raise RuntimeError(
        f"the virtual environment {venv} holds no packages for {version}, which this plugin was built with; "
        f"make one with that Python, or build the plugin with the environment's (PYO3_PYTHON)"
    )


def need_numpy(venv):
    if importlib.util.find_spec("numpy") is None:
        where = f"the virtual environment {venv}" if venv is not None else f"the Python in {sys.prefix}"
        raise ModuleNotFoundError(
            f"{where} has no numpy; install it there, or activate the environment that your model runs in"
        )


def load(path):
    """The module of a file. It runs anew for every component, so that each has a model of its own."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no module {path}")
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = "fmr_" + os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ImportError(f"{path} is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def look_up(found, path, attribute):
    """The object of that dotted name; a class is called to make one."""
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = ", ".join(n for n in vars(found) if not n.startswith("_")) if hasattr(found, "__dict__") else ""
            raise AttributeError(f"{path} has no attribute {part!r} of {attribute!r}; there are {public}")
        found = getattr(found, part)
    return found() if isinstance(found, type) else found


usual_threads = None
blas = None
blas_limit = 0


def limit_threads(most):
    """Keeps PyTorch and numpy to that many threads in calls that this thread makes from now on; 0 leaves it to them."""
    global usual_threads, blas, blas_limit
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        if usual_threads is None:
            usual_threads = torch.get_num_threads()
        wanted = min(most, usual_threads) if most else usual_threads
        # A thread's own setting, where PyTorch was built with OpenMP.
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)
    if most != blas_limit and "numpy" in sys.modules:
        try:
            import threadpoolctl
        except ImportError:
            return
        if blas is not None:
            blas.restore_original_limits()
        blas = threadpoolctl.threadpool_limits(most, user_api="blas") if most else None
        blas_limit = most


def array(data, shape):
    import numpy

    return numpy.frombuffer(data, dtype=numpy.float32).reshape(shape).copy()


def scores(values):
    """What a model gave, without the objects that libraries wrap it in."""
    values = getattr(values, "logits", values)
    if values is None or isinstance(values, (tuple, dict)):
        raise TypeError(
            f"the model gives a {type(values).__name__}; it must give one array [n, classes], "
            f"so wrap it in one whose forward returns that"
        )
    return values


def data(values):
    """Bytes and shape of an array or a tensor."""
    import numpy

    if hasattr(values, "detach"):
        values = values.detach().cpu().float().numpy()
    values = numpy.ascontiguousarray(values, dtype=numpy.float32)
    return values.tobytes(), list(values.shape)


class Torch:
    """A torch.nn.Module, in evaluation mode; its parameters track no gradients."""

    def __init__(self, torch, model, device, weights):
        self.torch, self.device = torch, device
        if weights is not None:
            with about("weights"):
                model.load_state_dict(self.read(str(weights)))
        with about("device"):
            self.model = model.eval().requires_grad_(False).to(device)
        floats = (p.dtype for p in self.model.parameters() if p.is_floating_point())
        self.dtype = next(floats, torch.float32)

    def read(self, weights):
        if weights.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(weights)
        state = self.torch.load(weights, map_location="cpu", weights_only=True)
        return state.get("state_dict", state)

    def tensor(self, values, shape):
        return self.torch.from_numpy(array(values, shape)).to(self.device)

    def forward(self, images, shape):
        with self.torch.no_grad():
            return data(scores(self.model(self.tensor(images, shape).to(self.dtype))))

    def forward_saving(self, images, shape):
        with self.torch.enable_grad():
            x = self.tensor(images, shape).requires_grad_(True)
            y = scores(self.model(x.to(self.dtype)))
        if not y.requires_grad:
            raise TypeError("the model's logits carry no gradient: it leaves autograd on the way (detach, numpy, argmax)")
        return data(y), (x, y)

    def pull_back(self, saved, cotangent, shape):
        x, y = saved
        (gradient,) = self.torch.autograd.grad(y, x, self.tensor(cotangent, shape).to(y.device, y.dtype))
        return data(gradient)

    def differentiable(self):
        return True


class Plain:
    """A callable on numpy arrays; `vjp(images, cotangent)` gives its gradient, if it has one."""

    def __init__(self, model):
        self.model = model

    def forward(self, images, shape):
        return data(scores(self.model(array(images, shape))))

    def forward_saving(self, images, shape):
        x = array(images, shape)
        return data(scores(self.model(x.copy()))), x

    def pull_back(self, saved, cotangent, shape):
        return data(self.model.vjp(saved, array(cotangent, shape)))

    def differentiable(self):
        return callable(getattr(self.model, "vjp", None))


def set_classes(wrapped, names, templates):
    setter = getattr(wrapped.model, "set_classes", None)
    if setter is not None:
        setter(names, templates)


def explain(error, trace):
    """The setting that an error speaks of, and what went wrong: what was raised, where, and from what."""
    setting = getattr(error, "fmr_setting", "module")
    told, parts = [], []
    while error is not None and not any(error is e for e in told):
        said = "".join(traceback.format_exception_only(type(error), error)).strip()
        frames = [f for f in traceback.extract_tb(trace or error.__traceback__) if not passed_through(f.filename)]
        parts.append("\n".join(filter(None, [said, "".join(traceback.format_list(frames)).rstrip()])))
        told.append(error)
        trace, error = None, error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return setting, "\nwhich came from ".join(parts)


def passed_through(file):
    return file == "fmr_bridge.py" or file.startswith("<frozen ")
