"""What assay reads from an upstream's imports beside what upstream declares and what other tools list."""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

from common import REPOSITORY, heading, table

from assay.envs import names
from assay.records import Source
from assay.upstream import closure, scripts
from assay.upstream.requirements import survey

TRUTH = REPOSITORY / "bench/imports_truth.json"
SECONDS = 600
# Each prints one name a line, and asks no index: what it does not know by itself stays out.
PIPREQS = (
    "import sys; from pipreqs import pipreqs as p; print(*p.get_pkg_names(p.get_all_imports(sys.argv[1])), sep='\\n')"
)
PIGAR = """
import sys
from pigar import core
async def latest(self, *names, **options): return "0"
core.PyPIDistributions.get_latest_distribution_version = latest
found = core.RequirementsAnalyzer(sys.argv[1])
found.analyze_requirements()
found.search_unknown_imports_from_index(dists_filter=lambda name, places, all, best: [best] if best else all)
print(*{r.name for many in (found._requirements, *found._uncertain_requirements.values()) for r in many.values()
        for r in [getattr(r, "req", r)]}, sep="\\n")
"""


class Case(NamedTuple):
    """A checkout, and the files in it that run the model."""

    name: str
    path: pathlib.Path
    entries: tuple[str, ...]


class Score(NamedTuple):
    """How many of the names are right, how many there are, and how many there should be."""

    right: int
    named: int
    needed: int

    def __str__(self) -> str:
        return f"{_share(self.right, self.named)}/{_share(self.right, self.needed)}"


def main() -> None:
    """Ask everyone about every repository, and hold it against what running really takes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("case", nargs="+", help="NAME=PATH:ENTRY[,ENTRY]")
    options.add_argument("--truth", default=str(TRUTH))
    for tool in ("pipreqs", "pigar", "fawltydeps"):
        options.add_argument(f"--{tool}", help=f"a Python that has {tool}")
    options.add_argument("--reached", action="store_true", help="show the tools only the files that assay reaches")
    asked = options.parse_args()
    truth = json.loads(pathlib.Path(asked.truth).read_text())
    cases = [case_of(text) for text in asked.case]
    tools = tools_of(asked)
    heading("Imports: precision/recall of the packages that running one entrypoint takes")
    rows: list[list[object]] = []
    scores: dict[str, list[Score]] = {tool: [] for tool in tools}
    for case in cases:
        needed = {known(name) for name in truth[case.name]["needed"]}
        row: list[object] = [case.name, len(needed)]
        for tool, ask in tools.items():
            started = time.perf_counter()
            found = {known(name) for name in ask(case)}
            scores[tool].append(Score(len(found & needed), len(found), len(needed)))
            row.append(f"{scores[tool][-1]} {time.perf_counter() - started:.1f} s")
            if tool == "assay" and found != needed:
                print(f"assay, {case.name}: too many {sorted(found - needed)}, missed {sorted(needed - found)}")
        rows.append(row)
    total = sum(len(truth[case.name]["needed"]) for case in cases)
    rows.append(["all", total, *(Score(*map(sum, zip(*found))) for found in scores.values())])
    table(["repository", "needed", *tools], rows)
    print("\nfawltydeps lists imports; assay's own table names their packages, which is its upper bound.")


def case_of(text: str) -> Case:
    """Read NAME=PATH:ENTRY[,ENTRY]."""
    name, _, rest = text.partition("=")
    path, _, entries = rest.rpartition(":")
    if not (name and path and entries):
        sys.exit(f"{text}: not NAME=PATH:ENTRY[,ENTRY]")
    return Case(name, pathlib.Path(path).resolve(), tuple(entries.split(",")))


def known(name: str) -> str:
    """Write a package so that one that serves as well compares equal."""
    return names.normal(names.family(name)[0])


# ---------------------------------------------------------------- who is asked
def tools_of(asked: argparse.Namespace) -> "dict[str, Callable[[Case], set[str]]]":
    """Name each source with what asks it about a repository."""
    others: dict[str, Callable[[Case], set[str]]] = {}
    if asked.pipreqs:
        others["pipreqs"] = lambda case: lines([asked.pipreqs, "-c", PIPREQS], case)
    if asked.pigar:
        others["pigar"] = lambda case: lines([asked.pigar, "-c", PIGAR], case)
    if asked.fawltydeps:
        others["fawltydeps"] = lambda case: fawltydeps(asked.fawltydeps, case)
    if asked.reached:
        others = {tool: narrowed(ask) for tool, ask in others.items()}
    return {"assay": ours, "declared": declared, **others}


def narrowed(ask: "Callable[[Case], set[str]]") -> "Callable[[Case], set[str]]":
    """Ask a tool that knows no entrypoint about the files alone that the entrypoints reach."""

    def answer(case: Case) -> "set[str]":
        with tempfile.TemporaryDirectory(prefix="assay-bench-") as away:
            for file in reach(case, survey(case.path)).files:
                path = file.partition("/")[2]
                copy = pathlib.Path(away, case.name, path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(case.path / path, copy)
            return ask(case._replace(path=pathlib.Path(away, case.name)))

    return answer


def ours(case: Case) -> "set[str]":
    """Name what the entrypoints cannot do without, as the stages source and deps do."""
    found = survey(case.path)
    reached, wanted = reach(case, found), [name for name, _ in runtime(found)]
    return {
        names.project(need.module, provided={}, declared=wanted, chosen={}, imported=need.names).name
        for need in reached.needs
        if need.kind == "hard"
    }


def reach(case: Case, found: Source) -> closure.Closure:
    """Follow the imports of the entrypoints."""
    read = scripts.read({case.name: case.path}, [f"{case.name}/{path}" for path in found.python_files], [])
    return closure.closure(read.modules, [f"{case.name}/{entry}" for entry in case.entries])


def declared(case: Case) -> "set[str]":
    """Name what upstream says it needs."""
    return {name for name, kind in runtime(survey(case.path)) if kind == "runtime"}


def runtime(found: Source) -> "list[tuple[str, str]]":
    """List upstream's requirements with their kinds, without Python itself."""
    return [(r.name, r.kind) for r in found.requirements if r.name and r.name != "python" and r.kind != "build"]


def fawltydeps(python: str, case: Case) -> "set[str]":
    """Name the packages of the imports that fawltydeps lists."""
    said = spoken([python, "-m", "fawltydeps", "--list-imports", "--json"], case)
    modules = {found["name"] for found in json.loads(said)["imports"]}
    return {names.PROJECTS.get(module, module) for module in modules}


def lines(command: "list[str]", case: Case) -> "set[str]":
    """Run a tool that prints one name a line."""
    return {line.strip() for line in spoken(command, case).splitlines() if line.strip()}


def spoken(command: "list[str]", case: Case) -> str:
    """Run a tool over a repository, away from it."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as away:
        done = subprocess.run(
            [*command, str(case.path)], cwd=away, capture_output=True, stdin=subprocess.DEVNULL, text=True,
            timeout=SECONDS,
        )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(command[:2])}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    main()
