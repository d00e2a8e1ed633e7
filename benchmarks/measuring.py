"""What the benchmarks share: the data and models, the clock, and where results go."""

from __future__ import annotations

import json
import platform
import resource
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

SHARED = Path(__file__).parents[2] / "shared"
TREEBANKS = SHARED / "data" / "ud"
RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """The processor, threads and versions that a result was measured with."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "numpy")},
    }


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class PeakMemory:
    """Highest resident memory of this process within a block of code, above that at its start."""

    def __enter__(self):
        self._start, self._most, self._done = self._now(), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    @property
    def megabytes(self):
        """Highest minus first."""
        return max(0, self._most - self._start) / 2**20

    def _watch(self):
        while not self._done.wait(0.02):
            self._most = max(self._most, self._now())

    @staticmethod
    def _now():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()


def write_results(name: str, results: dict[str, Any]) -> None:
    """Write results with the machine's description as ``results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": machine(), **results}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
