"""What every bench here shares: running commands side by side, and telling it as a table."""

import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import NamedTuple

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = pathlib.Path(sys.executable).parent
DOIT, ASSAY = str(PROGRAMS / "doit"), str(PROGRAMS / "assay")
COPIED = ("dodo.py", "pyproject.toml", "experiments", "recipes", "examples")


class Cost(NamedTuple):
    """What a command and everything it started cost."""

    cpu: float  # seconds, user and system
    wall: float
    peak: float  # MiB, of the largest process
    read: float  # MiB, by read() and its kin, from the page cache too
    code: int
    said: str


class Case(NamedTuple):
    """A command to be compared with others; `before` is run first and not counted."""

    command: list[str]
    folder: pathlib.Path
    before: Callable[[], object] = lambda: None


def cost(command: list[str], folder: pathlib.Path) -> Cost:
    """Run a command to its end; wait4 counts the whole tree that it waited for."""
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - started
        read = bytes_read(child.pid)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024, read / 2**20, child.returncode, said)


def bytes_read(pid: int) -> float:
    """Count what an ended, not yet buried process and the children that it waited for have read."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
        return float(next(line for line in lines if line.startswith("rchar:")).split()[1])
    except (OSError, StopIteration):
        return float("nan")


def run(command: list[str], folder: pathlib.Path) -> Cost:
    """Run a command that must succeed."""
    done = cost(command, folder)
    if done.code:
        sys.exit(f"{' '.join(command)}: exit {done.code}\n{done.said[-2000:]}")
    return done


def interleaved(cases: dict[str, Case], rounds: int) -> dict[str, list[Cost]]:
    """Run every case once a round, so that whatever else the machine does falls on all of them."""
    found: dict[str, list[Cost]] = {name: [] for name in cases}
    for case in cases.values():  # warm: byte code, page cache
        case.before()
        run(case.command, case.folder)
    for i in range(rounds):
        order = list(cases)[i % len(cases) :] + list(cases)[: i % len(cases)]
        for name in order:
            cases[name].before()
            found[name].append(run(cases[name].command, cases[name].folder))
    return found


def ratio(these: list[Cost], those: list[Cost]) -> float:
    """Compare CPU times round by round: the median of the ratios."""
    return statistics.median(a.cpu / b.cpu for a, b in zip(these, those, strict=True))


def median(costs: list[Cost]) -> Cost:
    """Give the median of each figure."""
    return Cost(*(statistics.median(getattr(c, f) for c in costs) for f in ("cpu", "wall", "peak", "read")), 0, "")


def table(head: list[str], rows: list[list[object]]) -> None:
    """Print a Markdown table."""
    texts = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in texts]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print("\n".join(lines), flush=True)


def ms(seconds: float) -> str:
    """Write a time."""
    return f"{seconds * 1000:.1f} ms" if seconds < 0.2 else f"{seconds:.2f} s"


def against(value: float, bar: float, *, least: bool = False) -> str:
    """Write a figure's bar, and whether it is met."""
    met = value >= bar if least else value <= bar
    return f"{'>=' if least else '<='} {bar:g} {'met' if met else 'MISSED'}"


def heading(title: str) -> None:
    """Print what was measured, and on what."""
    versions = " ".join(f"{name} {metadata.version(name)}" for name in ("assay", "doit"))
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    print(f"\n### {title}\n")
    print(
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {versions}, "
        f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores, load {load}\n",
        flush=True,
    )


@contextmanager
def room(kept: str | None) -> Iterator[pathlib.Path]:
    """Give a folder to work in; it goes away afterwards unless it was named."""
    if kept:
        folder = pathlib.Path(kept).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as made:
        yield pathlib.Path(made)


def repository(folder: pathlib.Path) -> pathlib.Path:
    """Copy this repository's experiments, with what they need, to a folder of its own."""
    folder.mkdir(parents=True)
    for name in COPIED:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    return folder


CHAIN = """
DOIT_CONFIG = {{"default_tasks": ["s{stages}"], "verbosity": 0{backend}}}
NAMES = [f"e{{i:04d}}" for i in range({experiments})]
def source(e, k): return f"in/{{e}}.txt" if k == 1 else f"out/{{e}}/{{k - 1}}.txt"
def stage(k):
    def create():
        for e in NAMES:
            yield {{"name": e, "actions": [f"cp {{source(e, k)}} out/{{e}}/{{k}}.txt"],
                   "file_dep": [source(e, k)], "targets": [f"out/{{e}}/{{k}}.txt"]}}
    return create
for k in range(1, {stages} + 1): globals()[f"task_s{{k}}"] = stage(k)
"""


def plain_doit(folder: pathlib.Path, experiments: int, stages: int, backend: str) -> pathlib.Path:
    """Make and build a plain doit project: so many chains of so many stages, one file in and one out each."""
    (folder / "in").mkdir(parents=True)
    asked = f', "backend": "{backend}"' if backend else ""
    (folder / "dodo.py").write_text(CHAIN.format(experiments=experiments, stages=stages, backend=asked))
    for i in range(experiments):
        (folder / f"in/e{i:04d}.txt").write_text(f"{i}\n")
        (folder / f"out/e{i:04d}").mkdir(parents=True)
        if experiments > 1:  # built by hand: a thousand processes teach nothing
            for k in range(1, stages + 1):
                (folder / f"out/e{i:04d}/{k}.txt").write_text(f"{i}\n")
    run([DOIT, "reset-dep"] if experiments > 1 else [DOIT], folder)
    return folder
