"""Images as users have them, as data of an experiment."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any, Optional, Sequence

from fmr import _assets

# How far values may lie outside of [0, 1], or of a multiple of 1/255, and count as rounding.
ROUNDING = 1e-3


def table_of(data: Any, *, classes: Optional[Sequence[str]], layout: str, beside: Path) -> "dict[str, Any]":
    """The table of an experiment for what a user named or gave. Images in memory are written to the tar file `beside`."""
    if isinstance(data, dict):
        return dict(data)
    if isinstance(data, (str, os.PathLike)):
        name = os.fspath(data)
        known = _assets.data()
        if name in known:
            return dict(known[name])
        if not os.path.exists(name):
            raise FileNotFoundError(
                f"there is no data set {name!r} and no folder or tar file of that name; the names are {', '.join(known)}"
            )
        table: "dict[str, Any]" = {"kind": "images", "label": Path(name).stem, "path": os.path.abspath(name)}
        if classes is not None:
            table["classes"] = list(classes)
        return table
    label = "images"
    if isinstance(data, (tuple, list)) and len(data) == 2 and not hasattr(data, "__getitems__"):
        images, labels = arrays(*data, layout=layout)
    else:
        images, labels = drained(data)
        label = type(data).__name__
        classes = classes if classes is not None else names_of(data)
    if classes is None:
        raise ValueError("the oracle needs to know the classes: name them in label order, `classes=[…]`")
    write(images, labels, [str(name) for name in classes], beside)
    numbers = [str(number) for number in range(len(classes))]
    return {
        "kind": "images", "label": label, "path": os.path.abspath(beside), "classes": numbers, "class-names": list(classes),
    }


def arrays(images: Any, labels: Any, *, layout: str) -> "tuple[list[Any], list[int]]":
    """uint8 arrays [h, w, c] of a stack of images."""
    import numpy

    images = numpy.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    labels = numpy.asarray(labels.detach().cpu() if hasattr(labels, "detach") else labels)
    if images.ndim != 4 or layout not in ("nchw", "nhwc"):
        raise ValueError(f"images must be an array [n, c, h, w], or [n, h, w, c] with layout='nhwc'; found {images.shape}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be {len(images)} whole numbers, one per image; found {labels.dtype}{labels.shape}")
    if layout == "nchw":
        images = images.transpose(0, 2, 3, 1)
    return list(bytes_of(images)), [int(label) for label in labels]


def bytes_of(images: Any) -> Any:
    """Images in 8 bits, as an evaluation takes them."""
    import numpy

    if images.shape[-1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels; found {images.shape[-1]} of shape {images.shape}")
    if images.dtype == numpy.uint8:
        return images
    if images.dtype.kind != "f":
        raise TypeError(f"images must be uint8, or floats from 0 to 1; found {images.dtype}")
    low, high = float(images.min()), float(images.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ValueError(
            f"images must lie in [0, 1]; found {low:.3g} to {high:.3g}. Normalisation belongs to the model: see fmr.normalized"
        )
    return numpy.clip(numpy.rint(images * 255.0), 0, 255).astype(numpy.uint8)


def drained(data: Any) -> "tuple[list[Any], list[int]]":
    """The images of a torch Dataset, or of anything with a length and pairs of image and label."""
    import numpy

    if type(data).__name__ == "DataLoader":
        raise TypeError("give the data set itself, not a DataLoader: an index must mean the same image each time")
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise TypeError(
            f"data is a {type(data).__name__}; give a name, a folder, a pair of arrays (images, labels), or a data set with a "
            f"length whose items are (image, label)"
        )
    images, labels = [], []
    for index in range(len(data)):
        image, label = data[index]
        is_tensor = hasattr(image, "detach")
        image = numpy.asarray(image.detach().cpu() if is_tensor else image)
        if image.ndim == 2:
            image = image[:, :, None]
        elif is_tensor:
            image = image.transpose(1, 2, 0)
        images.append(bytes_of(image))
        labels.append(int(label))
    return images, labels


def names_of(data: Any) -> "Optional[list[str]]":
    """Names that a data set of torchvision knows."""
    names = getattr(data, "classes", None)
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return list(names)
    return None


def write(images: Sequence[Any], labels: Sequence[int], classes: Sequence[str], path: Path) -> None:
    """A tar file with a folder a class, of pictures in the simplest format that there is. Its bytes depend on the images
    alone; a picture's name is its position."""
    if not len(images):
        raise ValueError("there are no images")
    outside = [label for label in labels if not 0 <= label < len(classes)]
    if outside:
        raise ValueError(f"there are {len(classes)} classes, but a label is {outside[0]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with tarfile.open(partial, "w") as tar:
        for number in range(len(classes)):
            folder = tarfile.TarInfo(str(number))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for index, (image, label) in enumerate(zip(images, labels)):
            height, width, channels = image.shape
            header = f"{'P6' if channels == 3 else 'P5'}\n{width} {height}\n255\n".encode()
            content = header + image.tobytes()
            suffix = "ppm" if channels == 3 else "pgm"
            info = tarfile.TarInfo(f"{label}/{index:07}.{suffix}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    os.replace(partial, path)
