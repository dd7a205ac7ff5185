"""Python's side of every model of fmr that is a Python object: speaks arrays with it."""

import contextlib
import sys
import traceback


class about:
    """Exceptions inside speak of that setting, unless they know better."""

    def __init__(self, setting):
        self.setting = setting

    def __enter__(self):
        pass

    def __exit__(self, kind, error, trace):
        if error is not None and not hasattr(error, "fmr_setting"):
            error.fmr_setting = self.setting


def wrap(model, device, weights=None):
    """A torch.nn.Module, or a callable on numpy arrays, as the bridge calls it."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return Torch(torch, model, device, weights)
    if not callable(model):
        raise TypeError(f"a {type(model).__name__} is neither a torch.nn.Module nor callable")
    if weights is not None:
        with about("weights"):
            raise TypeError("only a torch.nn.Module takes weights; let the module read its own")
    return Plain(model)


def preprocessing(wrapped):
    """What the model says that it does to an image, if it says so in words."""
    said = getattr(wrapped.model, "preprocessing", None)
    return " ".join(said.split()) if isinstance(said, str) else None


def class_names(wrapped):
    """For each class its names, if the model knows them."""
    names = getattr(wrapped.model, "class_names", None)
    if names is None or callable(names):
        return None
    with about("attribute"):
        names = [[name] if isinstance(name, str) else list(name) for name in names]
        if not all(names) or not all(isinstance(name, str) for of_class in names for name in of_class):
            raise TypeError("`class_names` must hold a text, or a list of texts, for each class")
        return names


def takes_pictures(wrapped):
    return callable(getattr(wrapped.model, "of_pictures", None))


def of_pictures(wrapped, pictures):
    """The model's result for pictures as their files hold them: uint8 arrays [h, w, 3] or [h, w]."""
    import numpy

    def image(data, shape):
        planes = numpy.frombuffer(data, dtype=numpy.uint8).reshape(shape)
        return numpy.ascontiguousarray(planes.transpose(1, 2, 0)) if shape[0] == 3 else planes[0]

    images = [image(data, shape) for data, shape in pictures]
    with wrapped.inference():
        return data(scores(wrapped.model.of_pictures(images)))


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
    """A writable array on the memory of a bytearray."""
    import numpy

    return numpy.frombuffer(data, dtype=numpy.float32).reshape(shape)


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

    def inference(self):
        return self.torch.no_grad()

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

    def inference(self):
        return contextlib.nullcontext()

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
    return file in ("fmr_bridge.py", "fmr_finder.py") or file.startswith("<frozen ")
