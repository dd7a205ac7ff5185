"""Finds the user's model in a file, for the plugin."""

import ast
import importlib.util
import os
import site
import sys

import fmr_bridge
from fmr_bridge import about

# Standard output belongs to fmr.
sys.stdout = sys.stderr


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
        wrapped = fmr_bridge.wrap(found, device, weights)
    with about("attribute"):
        wrapped.files = files_of(os.path.abspath(path), found, weights)
    return wrapped


def files_of(path, model, weights):
    """Every file that the model is made of: its modules, its weights, and what its attribute `files` names."""
    folder = os.path.dirname(path)
    files = own_modules(path)
    named = getattr(model, "files", ())
    if isinstance(named, (list, tuple)):
        for file in named:
            file = os.path.abspath(os.path.join(folder, os.fspath(file)))
            if not os.path.isfile(file):
                raise FileNotFoundError(f"`files` names {file}, but there is no such file")
            files.add(file)
    if weights is not None:
        files.add(os.path.abspath(weights))
    return sorted(files)


def own_modules(path):
    """The module's file, those in its folder that it imports, and those that these import: by what their text says, so that it
    does not matter what else the process has loaded."""
    folder = os.path.dirname(path)
    files, left = set(), [path]
    while left:
        file = left.pop()
        if file in files or not os.path.isfile(file):
            continue
        files.add(file)
        with open(file, "rb") as text:
            try:
                tree = ast.parse(text.read())
            except (SyntaxError, ValueError):
                continue
        for node in ast.walk(tree):
            root, names = folder, []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
                if node.level:
                    root = os.path.dirname(file)
                    for _ in range(node.level - 1):
                        root = os.path.dirname(root)
            for name in names:
                at = root
                for part in name.split("."):
                    at = os.path.join(at, part)
                    left += [at + ".py", os.path.join(at, "__init__.py")]
    return files


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
