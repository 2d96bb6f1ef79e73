"""Timed calls: wall, CPU and involuntary switches of each one, with nothing else inside the loop."""

from __future__ import annotations

import gc
import time
from resource import RUSAGE_SELF, getrusage
from statistics import median
from typing import Any, Callable, NamedTuple, Tuple

MIN_CALLS, BLOCK, AGREE = 10, 5, 1.05
MAX_WARMUP = 500
MIN_ITERATIONS, MAX_ITERATIONS = 30, 2000
PATIENCE = 6  # times the asked seconds, to reach the least number of iterations
PLAIN_PART, QUIET_PART = 0.25, 0.10  # seconds of one block of each kind

Mark = Tuple[int, int, int]  # wall and CPU in nanoseconds, involuntary switches


class Series:
    """What was noted of every call."""

    def __init__(self) -> None:
        self.wall: list[int] = []
        self.cpu: list[int] = []
        self.nivcsw: list[int] = []

    def add(self, a: Mark, b: Mark) -> None:
        """Note one call by its two marks."""
        self.wall.append(b[0] - a[0])
        self.cpu.append(b[1] - a[1])
        self.nivcsw.append(b[2] - a[2])

    def answer(self) -> dict[str, Any]:
        """Give seconds."""
        return {"wall": [n / 1e9 for n in self.wall], "cpu": [n / 1e9 for n in self.cpu], "nivcsw": self.nivcsw}


class Work(NamedTuple):
    """What is timed: each takes the number of the iteration."""

    model: Callable[[int], Any]
    end_to_end: Callable[[int, dict[str, Series]], None]  # notes its parts in the series it is given
    reference: Callable[[], None]


def before(wall: Any = time.perf_counter_ns, cpu: Any = time.process_time_ns, usage: Any = getrusage) -> Mark:
    """Mark the begin of a call, wall time last."""
    switches, used = usage(RUSAGE_SELF).ru_nivcsw, cpu()
    return wall(), used, switches


def after(wall: Any = time.perf_counter_ns, cpu: Any = time.process_time_ns, usage: Any = getrusage) -> Mark:
    """Mark the end of a call, wall time first."""
    now = wall()
    return now, cpu(), usage(RUSAGE_SELF).ru_nivcsw


def warm_up(call: Callable[[int], Any], seconds: float) -> tuple[int, bool]:
    """Call until the CPU medians of three blocks agree; return the number of calls and whether they did."""
    medians: list[float] = []
    deadline, calls = time.monotonic() + seconds, 0
    while calls < MAX_WARMUP:
        block = []
        for _ in range(BLOCK):
            began = time.process_time_ns()
            call(calls)
            block.append(time.process_time_ns() - began)
            calls += 1
            if time.monotonic() > deadline and calls >= 3:
                return calls, False
        medians.append(median(block))
        last = medians[-3:]
        if calls >= MIN_CALLS and len(last) == 3 and max(last) <= AGREE * max(min(last), 1):
            return calls, True
    return calls, False


def sample(work: Work, seconds: float) -> dict[str, Series]:
    """Time for so many seconds: blocks as experienced, between them blocks that begin each call on a fresh slice."""
    names = ("model", "end_to_end", "preprocess", "postprocess", "reference", "model_quiet")
    series = {name: Series() for name in names}
    gc.collect()
    gc.disable()
    try:
        began, turn = time.monotonic(), 0
        while not _enough(len(series["model"].wall), time.monotonic() - began, seconds):
            turn = _plain_block(work, series, turn)
            _quiet_block(work, series["model_quiet"])
    finally:
        gc.enable()
    return series


def _enough(count: int, elapsed: float, seconds: float) -> bool:
    if count >= MAX_ITERATIONS:
        return True
    return elapsed >= seconds and (count >= MIN_ITERATIONS or elapsed >= PATIENCE * seconds)


def _plain_block(work: Work, series: dict[str, Series], turn: int) -> int:
    """Time as experienced; the order turns round from one iteration to the next."""
    until = time.monotonic() + PLAIN_PART
    while True:
        first, last = (_reference, _model) if turn % 2 else (_model, _reference)
        first(work, series, turn)
        work.end_to_end(turn, series)
        last(work, series, turn)
        turn += 1
        if time.monotonic() >= until or len(series["model"].wall) >= MAX_ITERATIONS:
            return turn


def _model(work: Work, series: dict[str, Series], turn: int) -> None:
    call = work.model
    a = before()
    call(turn)
    series["model"].add(a, after())


def _reference(work: Work, series: dict[str, Series], turn: int) -> None:
    call = work.reference
    a = before()
    call()
    series["reference"].add(a, after())


def _quiet_block(work: Work, series: Series) -> None:
    """Give the processor up before each call, so that it begins on a fresh slice; only in this series."""
    call, turn, until = work.model, len(series.wall), time.monotonic() + QUIET_PART
    while True:
        time.sleep(0)
        a = before()
        call(turn)
        series.add(a, after())
        turn += 1
        if time.monotonic() >= until or len(series.wall) >= MAX_ITERATIONS:
            return
