"""A thousand built experiments in one repository: one of them asked for, and all of them, with nothing to do."""

import argparse
import pathlib
import shutil
import sys

from common import (
    ASSAY,
    DOIT,
    Case,
    Cost,
    against,
    cost,
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

STAGES = 13
PLAIN = {"plain doit, sqlite3": "sqlite3", "plain doit, its default": ""}
PEAK, FILES = 150, 64


def main() -> None:
    """Build one experiment, copy it, measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--experiments", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=15, help="of the commands that ask for one experiment")
    options.add_argument("--rounds-all", type=int, default=5, help="of the commands that ask for all of them")
    options.add_argument("--folder", help="work here and leave it; what is there already is used again")
    asked = options.parse_args()
    with room(asked.folder) as folder:
        few, many = prepared(folder, asked.experiments)
        plain = plain_projects(folder, asked.experiments)
        heading(f"No-op of one experiment among {asked.experiments}, CPU time")
        one(few, many, plain, asked)
        heading(f"No-op of all {asked.experiments} experiments, CPU time")
        everything(many, plain, asked)


# ------------------------------------------------------------ making them
def prepared(folder: pathlib.Path, experiments: int) -> tuple[pathlib.Path, pathlib.Path]:
    """Build one experiment, and give a repository with it alone and one with many copies of it, all fresh."""
    few, many = folder / "few", folder / "many"
    if not few.exists():
        repository(few)
        (few / "experiments/yolo.yaml").rename(folder / "e0000.yaml")
        shutil.rmtree(few / "experiments")
        (few / "experiments").mkdir()
        (folder / "e0000.yaml").rename(few / "experiments/e0000.yaml")
        run([DOIT, "report"], few)
    if not many.exists():
        shutil.copytree(few, many, symlinks=True)
        shutil.rmtree(many / "tmp/.cache")
        copy(many, experiments)
        warm(many)
    unstamped(many, experiments)
    return few, many


def copy(many: pathlib.Path, experiments: int) -> None:
    """Copy the built workspace: it is movable, and a pointer says whose it is."""
    built = many / (many / "tmp/.current/e0000").read_text().strip()
    for i in range(1, experiments):
        name = f"e{i:04d}"
        shutil.copy(many / "experiments/e0000.yaml", many / f"experiments/{name}.yaml")
        shutil.copytree(built, many / f"tmp/{name}-copy", symlinks=True)
        (many / f"tmp/.current/{name}").write_text(f"tmp/{name}-copy\n")


def warm(many: pathlib.Path) -> None:
    """Run over the copies once: their reports are written anew, for a report names its experiment."""
    heading("The first pass over the copies: every report is written anew")
    done = run([DOIT, "report"], many)
    table(["command", "CPU", "peak memory"], [["doit report", ms(done.cpu), f"{done.peak:.0f} MiB"]])


def unstamped(many: pathlib.Path, experiments: int) -> None:
    """Have every experiment decided the long way, as after a move and as after a change of assay."""
    heading(f"No-op of all {experiments} experiments, decided the long way: no stamp is of use")
    rows: list[list[object]] = []
    for name, lost in {"nothing remembered": "*", "digests remembered": "tool.txt"}.items():
        for path in (many / "tmp/.cache").glob(lost):
            path.unlink()
        done = run([DOIT, "report"], many)
        if f"{experiments} of {experiments} experiments: nothing to do" not in done.said:
            sys.exit(f"the copies are not fresh:\n{done.said[-2000:]}")
        each = done.cpu / experiments
        rows.append([f"doit report, {name}", ms(done.cpu), ms(each), f"{done.peak:.0f} MiB"])
    table(["command", "CPU", "each", "peak memory"], rows)


def plain_projects(folder: pathlib.Path, experiments: int) -> dict[str, pathlib.Path]:
    """Make as many plain doit tasks."""
    found = {}
    for name, backend in PLAIN.items():
        place = folder / f"plain-{backend or 'default'}"
        found[name] = place if place.exists() else plain_doit(place, experiments, STAGES, backend)
    return found


# ------------------------------------------------------------ measuring
def one(few: pathlib.Path, many: pathlib.Path, plain: dict[str, pathlib.Path], asked: argparse.Namespace) -> None:
    """Compare one experiment alone with one among many."""
    doors = {"doit report exp=e0000": [DOIT, "report", "exp=e0000"], "assay report e0000": [ASSAY, "report", "e0000"]}
    cases = {f"{door}{place}": Case(command, home) for door, command in doors.items()
             for place, home in (("", few), (" among many", many))}  # fmt: skip
    first = next(iter(plain))
    cases[f"{first}, s{STAGES}:e0000 among many"] = Case([DOIT, f"s{STAGES}:e0000"], plain[first])
    found = interleaved(cases, asked.rounds)
    rows: list[list[object]] = []
    for name, costs in found.items():
        alone = found.get(name.removesuffix(" among many"))
        times = ratio(costs, alone) if alone and alone is not costs else None
        bar = [f"{times:.2f}", against(times, 1.1)] if times else ["", ""]
        rows.append([name, ms(median(costs).cpu), f"{median(costs).peak:.0f} MiB", *bar])
    table(["command", "CPU", "peak memory", "/ N = 1", "bar"], rows)


def everything(many: pathlib.Path, plain: dict[str, pathlib.Path], asked: argparse.Namespace) -> None:
    """Compare all experiments with as many plain doit tasks."""
    cases = {name: Case([DOIT], place) for name, place in plain.items()}
    cases |= {"doit report": Case([DOIT, "report"], many), "assay report": Case([ASSAY, "report"], many)}
    found = interleaved(cases, asked.rounds_all)
    rows: list[list[object]] = []
    for name, costs in found.items():
        ratios = [ratio(costs, found[plain]) for plain in PLAIN]
        peak = max(c.peak for c in costs)
        bars = [] if name in PLAIN else [against(max(ratios), 2), against(round(peak), PEAK)]
        rows.append(
            [name, ms(median(costs).cpu), *(f"{r:.2f}" for r in ratios), f"{peak:.0f} MiB", *(bars or ["", ""])]
        )
    table(["command", "CPU", "/ sqlite3", "/ default", "peak memory", "bar, CPU", "bar, MiB"], rows)
    ends = {name: few_files(cases[name]).code for name in ("doit report", "assay report")}
    told = ", ".join(f"{name} {'passes' if code == 0 else 'FAILS'}" for name, code in ends.items())
    print(f"\nThe same with at most {FILES} open files: {told}.")


def few_files(case: Case) -> Cost:
    """Run a command with few open files allowed."""
    program = "import os, resource, sys\n"
    program += f"resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))\nos.execv(sys.argv[1], sys.argv[1:])"
    return cost([sys.executable, "-c", program, *case.command], case.folder)


if __name__ == "__main__":
    main()
