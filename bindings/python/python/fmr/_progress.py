"""What a run tells while it works."""

from __future__ import annotations

import collections
import logging
import sys
import time
from typing import Any, Callable, Optional

OnBatch = Callable[[int, int, "dict[str, int]"], None]

# Time between two lines where there is no bar, and between two calls of a user's function, in seconds.
BETWEEN_LINES = 60.0
BETWEEN_CALLS = 0.1


class Listener:
    """Shows a bar of tqdm where that is installed, else a line a minute on standard error."""

    def __init__(self, progress: bool, on_batch: Optional[OnBatch]) -> None:
        self.progress, self.on_batch = progress, on_batch
        self.folder: Optional[str] = None
        self.counts: collections.Counter[str] = collections.Counter()
        self.done = self.images = 0
        self.bar: Any = None
        self.said = self.called = time.monotonic()

    def begun(self, folder: str, images: int, done: int) -> None:
        self.folder, self.images, self.done = str(folder), images, done
        if self.progress:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=images, initial=done, unit="image", dynamic_ncols=True)

    def row(self, title: str, phase: str) -> None:
        self.counts.clear()
        if self.bar is not None:
            self.bar.set_description(title if phase == "measure" else f"{title} ({phase})")

    def batch(self, endings: "list[str]") -> None:
        self.counts.update(endings)
        self.done += len(endings)
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(len(endings))
            self.bar.set_postfix(self.counts, refresh=False)
        elif self.progress and now - self.said >= BETWEEN_LINES:
            self.said = now
            print(f"fmr: {self.done} of {self.images} images", file=sys.stderr)
        if self.on_batch is not None and (now - self.called >= BETWEEN_CALLS or self.done >= self.images):
            self.called = now
            self.on_batch(self.done, self.images, dict(self.counts))

    def working(self, what: "list[str]") -> None:
        if self.bar is not None and what:
            self.bar.set_postfix_str(what[0])

    def warning(self, sentence: str) -> None:
        logging.getLogger("fmr").warning("%s", sentence)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
