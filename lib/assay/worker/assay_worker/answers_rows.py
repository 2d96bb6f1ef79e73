"""A workbench for a postprocess function: real outputs of which all rows but a few are made to say nothing."""

from __future__ import annotations

import copy
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np

from assay_worker.answers_read import Answer, Rows, answers

BACKGROUNDS = 12  # silent rows that are tried


class TooLong(Exception):
    """The CPU time for asking is spent."""


class Bench:
    """The function with its context and parameters; counts CPU time."""

    def __init__(self, function: Callable[..., Any], ctx: Any, params: Dict[str, Any], until: float) -> None:
        self.function, self.ctx, self.params, self.until = function, ctx, params, until
        self.last = 0.0  # seconds

    def ask(self, outputs: Dict[str, np.ndarray]) -> Optional[List[Answer]]:
        """Give the answers to these outputs."""
        started = time.process_time()
        if started > self.until:
            raise TooLong
        given = {name: np.array(x, copy=True) for name, x in outputs.items()}
        with np.errstate(all="ignore"):
            result = self.function(given, copy.deepcopy(self.ctx), **self.params)
        self.last = time.process_time() - started
        return answers(result)

    def expect(self, times: float) -> None:
        """Give up when the next call, so many times the last one's work, would not end in time."""
        if time.process_time() + times * self.last > self.until:
            raise TooLong


class Quiet(NamedTuple):
    """Rows of which only those that are put there speak."""

    bench: Bench
    rows: Rows
    silent: np.ndarray  # the scores of a row that gives no answer
    loud: int  # the number of a row that does

    def ask(self, boxes: np.ndarray, scores: np.ndarray, at: Optional[np.ndarray] = None) -> List[Answer]:
        """Give the answers when only these boxes and scores speak, in these rows."""
        everywhere = self.rows.boxes().copy()
        quiet = np.repeat(self.silent[None], len(everywhere), 0)
        places = self.places(len(boxes)) if at is None else at
        everywhere[places], quiet[places] = boxes, scores
        return self.bench.ask(self.rows.outputs(everywhere, quiet)) or []

    def places(self, count: int) -> np.ndarray:
        """Choose rows for so many; the loud one first."""
        total = len(self.rows.boxes())
        return (self.loud + np.arange(count) * max(total // max(count, 1), 1)) % total

    def box(self) -> np.ndarray:
        """Give the loud row's box columns."""
        found: np.ndarray = self.rows.boxes()[self.loud]
        return found

    def scores(self) -> np.ndarray:
        """Give the loud row's score columns."""
        found: np.ndarray = self.rows.scores()[self.loud]
        return found


def quieten(bench: Bench, rows: Rows) -> Optional[Quiet]:
    """Find scores that say nothing, and a row that alone gives one answer."""
    scores, boxes = rows.scores(), rows.boxes()
    silent = None
    for row in _backgrounds(scores):
        if bench.ask(rows.outputs(boxes, np.repeat(row[None], len(boxes), 0))) == []:
            silent = row
            break
    if silent is None:
        return None
    left = np.arange(len(boxes))
    while len(left) > 1:
        half = left[: len(left) // 2]
        left = half if _speak(bench, rows, silent, half) else left[len(left) // 2 :]
    if len(_speak(bench, rows, silent, left)) != 1:
        return None
    return Quiet(bench, rows, silent, int(left[0]))


def _speak(bench: Bench, rows: Rows, silent: np.ndarray, which: np.ndarray) -> List[Answer]:
    scores = np.repeat(silent[None], len(rows.boxes()), 0)
    scores[which] = rows.scores()[which]
    return bench.ask(rows.outputs(rows.boxes(), scores)) or []


def _backgrounds(scores: np.ndarray) -> List[np.ndarray]:
    """List likely silent rows: those low in all columns, then those low in one."""
    found = [scores[int(np.argmin(scores.max(1)))], scores[int(np.argmin(scores.sum(1)))]]
    columns = range(scores.shape[1]) if scores.shape[1] <= 4 else (0,)
    for column in columns:
        found += [scores[int(np.argmin(scores[:, column]))], scores[int(np.argmax(scores[:, column]))]]
    return found[:BACKGROUNDS]
