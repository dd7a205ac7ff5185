"""What a run found."""

from __future__ import annotations

import html
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Optional, Union

from fmr import _native
from fmr.errors import FmrError, ValidityWarning

PathLike = Union[str, "os.PathLike[str]"]


class Estimate(NamedTuple):
    """A rate with its interval, as fractions; `value` is NaN where it is undefined."""

    value: float
    low: float
    high: float
    n: int
    """Images that it is over."""

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        if self.value != self.value:
            return f"undefined, n = {self.n}"
        return f"{self.value:.1%} [{self.low * 100:.1f}, {self.high * 100:.1f}], n = {self.n}".replace("%", " %")

    __str__ = __repr__


class Images(NamedTuple):
    """Of one sample: float32 arrays [c, h, w] in [0, 1]."""

    original: Any
    reconstruction: Any
    final: Any


class Flag(NamedTuple):
    """A doubt about figures."""

    kind: str
    sentence: str


class Row:
    """A row of the table: one model on one data set."""

    def __init__(self, found: "dict[str, Any]") -> None:
        self.id: str = found["id"]
        self.data: str = found["data"]
        self.model: str = found["model"]
        self.flags: "list[Flag]" = [Flag(flag["kind"], flag["sentence"]) for flag in found["flags"]]
        self.found = found["state"]

    def estimate(self, name: str) -> Estimate:
        if "measured" not in self.found:
            raise FmrError(f"row {self.id} did not run here: {json.dumps(self.found)}")
        figures = self.found["measured"]["overall"]
        figure = figures[name]
        value, interval = figure["value"], figure["interval"] or {}
        nan = float("nan")
        n = figure.get("of", figures["n"])
        return Estimate(nan if value is None else value, interval.get("lo", nan), interval.get("hi", nan), n)

    @property
    def fmr(self) -> Estimate:
        """Foundation-model-oriented robustness: PA over SA."""
        return self.estimate("fmr")

    @property
    def sa(self) -> Estimate:
        """Standard accuracy: on the originals."""
        return self.estimate("sa")

    @property
    def pa(self) -> Estimate:
        """Perturbed accuracy: on the final images."""
        return self.estimate("pa")

    @property
    def vr(self) -> Estimate:
        """Validation rate: final images that the oracle accepts."""
        return self.estimate("vr")

    def __repr__(self) -> str:
        if "measured" not in self.found:
            return f"Row({self.id}: did not run here)"
        flags = f", {len(self.flags)} flags" if self.flags else ""
        return f"Row({self.data} × {self.model}: FMR {self.fmr}{flags})"


class Table:
    """The tables of a report: HTML in a notebook, text elsewhere."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __str__(self) -> str:
        return str(self._run.report_as("text"))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        main = json.loads(self._run.report_json())["grids"][0]
        lines = [f"<h3>{html.escape(main['title'])}</h3>"]
        lines += [f"<p>{html.escape(sentence)}</p>" for sentence in main["caption"]["worlds"]]
        lines.append(str(self._run.report_as("html")))
        flags = [flag["sentence"] for row in main["rows"] for flag in row.get("flags", [])]
        if flags:
            lines.append("<ul>" + "".join(f"<li>{html.escape(flag)}</li>" for flag in flags) + "</ul>")
        return f"<div class='fmr'>{''.join(lines)}</div>"

    def to_markdown(self) -> str:
        return str(self._run.report_as("markdown"))

    def to_latex(self) -> str:
        return str(self._run.report_as("latex"))


class Samples:
    """A table of samples or steps in Arrow's memory: pandas, polars and pyarrow take it without a copy."""

    def __init__(self, stream: Any) -> None:
        self._table = stream

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def columns(self) -> "list[str]":
        return list(self._table.columns())

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`."""
        import pyarrow

        return pyarrow.table(self)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`."""
        import pandas

        if hasattr(pandas.DataFrame, "from_arrow"):
            return pandas.DataFrame.from_arrow(self)
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """A `polars.DataFrame`."""
        import polars

        return polars.DataFrame(self)

    def save(self, path: PathLike) -> None:
        """Writes `.parquet` or `.csv`, by pyarrow."""
        path = Path(path)
        if path.suffix not in (".parquet", ".csv"):
            raise ValueError(f"{path}: samples are saved as .parquet or .csv")
        try:
            import pyarrow.csv
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError("saving samples needs pyarrow; `fmr export RUN` writes CSV and JSON Lines without it") from error
        if path.suffix == ".parquet":
            pyarrow.parquet.write_table(self.to_arrow(), path)
        else:
            pyarrow.csv.write_csv(self.to_arrow(), path)

    def __repr__(self) -> str:
        return f"Samples({len(self)} × {len(self.columns)}: {', '.join(self.columns)})"


class Result:
    """What a run found: a view of its folder, on which `fmr report`, `resume` and `export` work as well."""

    def __init__(self, folder: Path, kept: Any = None) -> None:
        self._run = _native.Run(folder)
        self._kept = kept
        self._rows: Optional[List[Row]] = None

    @property
    def folder(self) -> Path:
        """The run's folder. That of an evaluation without `out` goes with the result."""
        return Path(self._run.folder())

    @property
    def rows(self) -> List[Row]:
        """The rows of the experiment, those that did not run here included."""
        if self._rows is None:
            self._rows = [Row(found) for found in json.loads(self._run.report_json())["rows"]]
        return self._rows

    def __getitem__(self, key: Union[str, int]) -> Row:
        """A row by its position or identifier, e.g. `"mnist/lenet"`."""
        if isinstance(key, int):
            return self.rows[key]
        for row in self.rows:
            if row.id == key:
                return row
        raise KeyError(f"there is no row {key!r}; the rows are {', '.join(row.id for row in self.rows)}")

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def _only(self) -> Row:
        measured = [row for row in self.rows if "measured" in row.found]
        if len(measured) != 1:
            raise FmrError(f"the run has {len(measured)} rows with figures; name one, e.g. result[{self.rows[0].id!r}].fmr")
        return measured[0]

    @property
    def fmr(self) -> Estimate:
        """Foundation-model-oriented robustness of the only row: PA over SA."""
        return self._only().fmr

    @property
    def sa(self) -> Estimate:
        """Standard accuracy of the only row."""
        return self._only().sa

    @property
    def pa(self) -> Estimate:
        """Perturbed accuracy of the only row."""
        return self._only().pa

    @property
    def vr(self) -> Estimate:
        """Validation rate of the only row: final images that the oracle accepts."""
        return self._only().vr

    @property
    def flags(self) -> "list[Flag]":
        """Doubts about the figures of all rows."""
        return [flag for row in self.rows for flag in row.flags]

    def warn(self) -> None:
        """Warns of the flags."""
        for row in self.rows:
            for flag in row.flags:
                warnings.warn(f"{row.id}: {flag.sentence}", ValidityWarning, stacklevel=4)

    @property
    def table(self) -> Table:
        """The tables of the report."""
        return Table(self._run)

    @property
    def samples(self) -> Samples:
        """A row for each sample, with the columns of `fmr export`."""
        return Samples(self._run.samples())

    @property
    def steps(self) -> Samples:
        """A row for each attempted update of each sample."""
        return Samples(self._run.steps())

    def images(self, index: int, row: Optional[str] = None) -> Images:
        """Original, reconstruction and final image of a sample, by its column `index`; `row` where there are several."""
        import numpy

        row = row if row is not None else self._only().id
        found = self._run.images(row, index)
        return Images(*(numpy.frombuffer(data, dtype=numpy.float32).reshape(shape) for data, shape in found))

    @property
    def experiment(self) -> str:
        """The experiment file, every default written out."""
        return str(self._run.experiment())

    def report(self) -> Path:
        """Writes the report into the run's folder (`report.html`, tables, contact sheets, images) and gives the page's path."""
        problems = self._run.write_report()
        if problems:
            raise FmrError("files of the report are missing:\n" + "\n".join(problems))
        return self.folder / "report.html"

    def save(self, folder: PathLike) -> Path:
        """Copies the run's folder, which must not be there yet."""
        to = Path(folder)
        shutil.copytree(self.folder, to)
        return to

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __repr__(self) -> str:
        return f"Result({self.folder}: {'; '.join(map(repr, self.rows))})"
