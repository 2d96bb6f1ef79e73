"""What it costs to be told that nothing is to do, beside plain doit told the same of a twelve-stage chain."""

import argparse
import pathlib
import sys

from common import (
    ASSAY,
    DOIT,
    Case,
    against,
    heading,
    interleaved,
    median,
    ms,
    plain_doit,
    ratio,
    repository,
    room,
    run,
    table,
)

PLAIN = {"plain doit, sqlite3": "sqlite3", "plain doit, its default": ""}


def main() -> None:
    """Build the example once, then measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=25)
    options.add_argument("--folder", help="work here and leave it")
    asked = options.parse_args()
    heading("No-op of one experiment, CPU time of the whole process tree")
    with room(asked.folder) as folder:
        report(cases(folder), asked.rounds)


def cases(folder: pathlib.Path) -> dict[str, Case]:
    """Prepare everything that is compared."""
    home = repository(folder / "repository")
    run([DOIT, "report", "exp=yolo"], home)
    stamp = home / "tmp/.cache/stamp-yolo.txt"
    unstamped = {"before": lambda: stamp.unlink(missing_ok=True)}
    found = {n: Case([DOIT], plain_doit(folder / (b or "default"), 1, 12, b)) for n, b in PLAIN.items()}
    found["doit report exp=yolo"] = Case([DOIT, "report", "exp=yolo"], home)
    found["assay report yolo"] = Case([ASSAY, "report", "yolo"], home)
    found["doit report exp=yolo, no stamp"] = Case([DOIT, "report", "exp=yolo"], home, **unstamped)
    found["assay report yolo, no stamp"] = Case([ASSAY, "report", "yolo"], home, **unstamped)
    found["doit report exp=yolo, YAML read and checked all the same"] = Case([sys.executable, "-c", READS], home)
    found["Python that does nothing"] = Case([sys.executable, "-c", "import pathlib"], home)
    return found


READS = """
import pathlib
from assay.cli import run
from assay.config.spec import read_experiment
read_experiment(pathlib.Path.cwd(), "yolo")
run(["report", "exp=yolo"])
"""
BARS = {"doit report exp=yolo": 1.5, "assay report yolo": 0.25}


def report(compared: dict[str, Case], rounds: int) -> None:
    """Measure and print."""
    found = interleaved(compared, rounds)
    rows: list[list[object]] = []
    for name, costs in found.items():
        ratios = [ratio(costs, found[plain]) for plain in PLAIN]
        bar = against(max(ratios), BARS[name]) if name in BARS else ""
        rows.append([name, ms(median(costs).cpu), *(f"{r:.2f}" for r in ratios), bar])
    table(["command", "CPU", "/ sqlite3", "/ default", "bar"], rows)
    print(f"\nMedians of {rounds} interleaved rounds; ratios are medians of the rounds' ratios.")


if __name__ == "__main__":
    main()
