"""The place where a model is tried: trials, what they cost, and the time that is left for them."""

from __future__ import annotations

import math
import time
from typing import Any, Callable

from assay_worker import load, runner
from assay_worker.probe_inputs import SEED, Dims, Maker, Tensors, shape_of

SECONDS, CPU_SECONDS = 20.0, 4.0
LATER = 12  # runs that are kept for what comes after the search for sizes
MOST_ELEMENTS = 1 << 24  # of one trial's inputs
NO_TIME = "no time"


class Lab:
    """One model, the maker of its inputs, and a count of what was tried."""

    def __init__(self, job: load.Job, found: dict[str, Callable[..., Any]]) -> None:
        self.job, self.found = job, found
        self.training: bool | None = None
        self.made = self._built()
        self.maker = Maker([], {})
        self.reset: Callable[[], Any] | None = None  # what makes a stateful model as new
        self.notes: list[str] = []
        self.tries, self.last_error = 0, ""
        self.cost, self.kept = math.inf, 0  # seconds for each number that goes in; how many are kept for later trials
        self.known: dict[str, bool] = {}
        self.wall = time.monotonic() + float(job.request.get("seconds", SECONDS))
        self.cpu = time.process_time() + float(job.request.get("cpu_seconds", CPU_SECONDS))

    def _built(self) -> runner.Runner:
        """Build the model; one that an adapter gives in training mode is put out of it."""
        made = runner.make(self.job, self.found)
        mode = getattr(made.built.model, "training", None)
        if isinstance(mode, bool) and made.built.provider == "adapter":  # a program was put out of it when loaded
            self.training = mode
        if self.training:
            made.built.model.eval()
        return made

    def rebuild(self) -> None:
        """Make the model anew."""
        self.made = self._built()

    @property
    def left(self) -> float:
        """Seconds left for trials."""
        return min(self.wall - time.monotonic(), self.cpu - time.process_time())

    @property
    def over(self) -> bool:
        """Tell whether the time is over."""
        return self.left <= 0

    def run(self, given: Callable[[], Tensors] | Tensors) -> Tensors | None:
        """Run tensors, or what makes them; None when the model refuses or the time is over."""
        if self.over:
            self.last_error = NO_TIME
            return None
        self.tries += 1
        try:
            if self.reset is not None:
                self.reset()
            outputs = self.made.run(given() if callable(given) else given)
        except (Exception, SystemExit) as error:
            self.last_error = self.job.places().scrub(_said(error))
            return None
        self.last_error = ""
        return outputs

    def attempt(self, dims: Dims, seed: int = SEED, fill: str = "") -> Tensors | None:
        """Run made tensors of these sizes, and learn what that costs."""
        began = time.process_time()
        outputs = self.run(lambda: self.maker.make(dims, seed, fill))
        spent = time.process_time() - began
        if outputs is not None:
            if self.cost == math.inf:  # a dear first run shall not be the last
                self.cpu = max(self.cpu, time.process_time() + min(LATER * spent, CPU_SECONDS))
            self.cost = min(self.cost, spent / self.elements(dims))  # the first run is dear
        return outputs

    def keep(self, dims: Dims) -> None:
        """Keep time for runs of these sizes; an expensive model gets a little more of it."""
        self.kept = LATER * self.elements(dims)
        self.cpu = max(self.cpu, time.process_time() + min(self.cost * self.kept, 2 * CPU_SECONDS))

    def accepts(self, dims: Dims) -> bool | None:
        """Tell whether the model takes these sizes; None when there was no time to try."""
        key = repr((self.maker.scalar, sorted(dims.items())))
        if key not in self.known:
            size = self.elements(dims)
            if self.over or size > MOST_ELEMENTS or self.cost * (size + self.kept) > self.left:
                return None
            self.known[key] = self.attempt(dims) is not None
        return self.known[key]

    def elements(self, dims: Dims) -> int:
        """Count the numbers that go in."""
        total = 0
        for spec in self.maker.inputs:
            count = 1
            for size in shape_of(spec, dims):
                count *= size
            total += count
        return max(total, 1)


def _said(error: BaseException) -> str:
    """Give the line of an error that says most: frameworks end with it, ours are one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
