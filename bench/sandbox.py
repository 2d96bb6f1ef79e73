"""What shutting the worker in costs when it starts: bubblewrap and Landlock beside plain."""

import argparse
import json
import os
import pathlib
import statistics
import sys

from common import Case, Cost, heading, interleaved, median, ms, ratio, room, table

from assay import bridge, isolation, proc

REQUEST = {"protocol": 1, "verb": "check", "packages": []}


def main() -> None:
    """Start the worker for a check, again and again, at every level that works here."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=21)
    options.add_argument("--folder", help="work here and leave it")
    asked = options.parse_args()
    with room(asked.folder) as folder:
        bridge.install_worker(folder)
        (folder / "check.json").write_text(json.dumps(REQUEST))
        heading("Start of the worker that only checks, by isolation level, beside an interpreter that does nothing")
        starts(folder, asked.rounds)
        heading("Finding the best level, once a process")
        finding(folder, asked.rounds)


def starts(folder: pathlib.Path, rounds: int) -> None:
    """Time whole worker processes, the supervisor included."""
    working = [found for level in isolation.LEVELS if (found := isolation.best(level)).level == level]
    cases = {found.level: Case(worker(folder, found), folder) for found in working}
    cases["an interpreter"] = Case([sys.executable, "-I", "-c", "pass"], folder)
    found = interleaved(cases, rounds)
    rows: list[list[object]] = []
    for name, costs in found.items():
        middle, plain = median(costs), found["plain"]
        rows.append([name, ms(middle.cpu), ratio(costs, plain), ms(middle.wall), wall_ratio(costs, plain)])
    rows = [[f"{cell:.2f}" if isinstance(cell, float) else cell for cell in row] for row in rows]
    table(["level", "CPU, median", "to plain", "wall, median", "to plain"], rows)


def worker(folder: pathlib.Path, found: isolation.Isolation) -> list[str]:
    """Compose the command line that the bridge would start, with its environment."""
    out = folder / f".{found.level}"
    scratch = out / ".worker"
    scratch.mkdir(parents=True, exist_ok=True)
    environment = proc.clean_environment(os.environ, home=scratch)
    environment |= {"ASSAY_ISOLATION": found.level, "ASSAY_BUBBLEWRAP": found.program}
    words = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    boot = [sys.executable, "-I", "scripts/worker/boot.py", "check.json", str(scratch / "answer.json")]
    return [*words, *boot, "--out", str(out)]


def wall_ratio(these: list[Cost], those: list[Cost]) -> float:
    """Compare wall times round by round."""
    return statistics.median(a.wall / b.wall for a, b in zip(these, those, strict=True))


def finding(folder: pathlib.Path, rounds: int) -> None:
    """Time what `isolation.best` does when it is first asked, each in a process of its own."""
    code = "from assay import isolation"
    cases = {"": Case([sys.executable, "-c", code], folder)}
    for level in isolation.LEVELS[:-1]:
        cases[level] = Case([sys.executable, "-c", f"{code}; isolation.best({level!r})"], folder)
    found = interleaved(cases, rounds)
    none = median(found.pop(""))
    rows = [
        [name, ms(median(costs).cpu - none.cpu), ms(median(costs).wall - none.wall)] for name, costs in found.items()
    ]
    table(["at most", "CPU", "wall"], rows)


if __name__ == "__main__":
    main()
