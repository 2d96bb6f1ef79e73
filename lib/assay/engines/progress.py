"""What a run shows while it runs: one live line on a terminal, one line per finished stage elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from assay.errors import Fault
from assay.freshness import EDITED, ELSEWHERE, FAILED, Verdict
from assay.plan import Stage

QUIET_FOR = 30.0  # seconds of silence off a terminal before a sign of life


class Progress:
    """Lines on stderr; nothing moves on the screen while a stage measures."""

    def __init__(self, machine_readable: bool, stream: TextIO) -> None:
        self._stream = stream
        self._silent = machine_readable
        self._lock = threading.Lock()
        self._live = (
            not machine_readable
            and stream.isatty()
            and not os.environ.get("CI")
            and os.environ.get("TERM", "") not in ("", "dumb")
        )
        self._colour = self._live and not os.environ.get("NO_COLOR")
        utf8 = (getattr(stream, "encoding", "") or "").lower().replace("-", "") == "utf8"
        self._marks = (
            {"done": "✓", "run": "●", "bad": "✗", "note": "!"}
            if utf8
            else {"done": "ok", "run": "..", "bad": "XX", "note": "!!"}
        )
        self.built: dict[str, list[str]] = {}
        self.kept: dict[str, list[str]] = {}

    def decided(self, stage: Stage, experiment: str, verdict: Verdict) -> None:
        """Note a stage that needs no run; say so only when a person should know."""
        if verdict.status in (EDITED, ELSEWHERE):
            for reason in verdict.reasons:
                self._say("note", stage.name, experiment, reason)
        known = self.kept.setdefault(experiment, [])
        if not stage.not_yet and stage.name not in (*known, *self.built.get(experiment, [])):
            known.append(stage.name)

    def waiting(self, what: str, holder: str) -> None:
        """Say whom we wait for."""
        self._say("note", "waiting", what, f"for {holder}")

    @contextmanager
    def running(self, stage: Stage, experiment: str, verdict: Verdict | None, before: float = 0.0) -> Iterator[None]:
        """Show a stage while it runs, and how it ended; `before`: seconds that went into it already."""
        if stage.name in self.kept.get(experiment, []):
            self.kept[experiment].remove(stage.name)
        reason = verdict.reasons[0] if verdict and verdict.reasons else ""
        reason = "failed last time" if verdict and verdict.status == FAILED else reason
        started, done = time.monotonic() - before, threading.Event()
        ticker = threading.Thread(target=self._tick, args=(done, stage, experiment, started), daemon=True)
        ticker.start()
        mark = "bad"
        try:
            yield
            mark = "done"
            self.built.setdefault(experiment, []).append(stage.name)
        finally:
            done.set()
            ticker.join()
            self._say(mark, stage.name, experiment, f"{time.monotonic() - started:.1f}s  {reason}".rstrip())

    def _tick(self, done: threading.Event, stage: Stage, experiment: str, started: float) -> None:
        if self._silent:
            return
        if stage.alone or not self._live:
            if self._live:
                self._write(
                    f"\r\x1b[K {self._marks['run']} {stage.name}  {experiment}  measuring, the screen keeps still"
                )
            while not done.wait(QUIET_FOR):
                if not stage.alone:
                    self._say("run", stage.name, experiment, f"{time.monotonic() - started:.0f}s")
            return
        while not done.wait(0.2):
            self._write(f"\r\x1b[K {self._marks['run']} {stage.name}  {experiment}  {time.monotonic() - started:.0f}s")

    def _say(self, mark: str, stage: str, experiment: str, text: str) -> None:
        if self._silent:
            return
        colour = {"done": "\x1b[32m", "bad": "\x1b[31m", "note": "\x1b[33m"}.get(mark, "") if self._colour else ""
        sign = f"{colour}{self._marks[mark]}\x1b[0m" if colour else self._marks[mark]
        clear = "\r\x1b[K" if self._live else ""
        self._write(f"{clear} {sign} {stage:<10} {experiment}  {printable(text)}\n")

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text)
            self._stream.flush()

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            self._write("\r\x1b[K")


def printable(text: str) -> str:
    """Make control characters of foreign text visible."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def tail(path: Any, lines: int = 8) -> list[str]:
    """Give the last lines of a log."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            return [printable(line) for line in file.read().decode("utf-8", "replace").splitlines()[-lines:]]
    except OSError:
        return []


def say(fault: Fault) -> None:
    """Print a fault: one line each, nothing else."""
    for one in getattr(fault, "faults", (fault,)):
        print(f"assay: {printable(str(one))}", file=sys.stderr)
