"""Measure how robust an image classifier is, as a foundation model sees it.

>>> import fmr
>>> result = fmr.evaluate(model, data="cifar10", n=100)   # a torch.nn.Module  # doctest: +SKIP
>>> result.fmr                                                                 # doctest: +SKIP
61.2 % [50.8, 70.9], n = 100
"""

from fmr import _native
from fmr._evaluate import evaluate, load, resume, run
from fmr._model import Oracle, normalized
from fmr._result import Estimate, Flag, Images, Result, Row, Samples, Table
from fmr.errors import ConfigError, FmrError, Interrupted, ModelError, StoreError, ValidityWarning

__version__: str = _native.version

__all__ = [
    "ConfigError", "Estimate", "Flag", "FmrError", "Images", "Interrupted", "ModelError", "Oracle", "Result", "Row",
    "Samples", "StoreError", "Table", "ValidityWarning", "evaluate", "load", "normalized", "resume", "run",
]
