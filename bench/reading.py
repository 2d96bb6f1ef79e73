"""How much assay reads of twelve repositories beside a truth that was read by hand: right, unknown, wrong."""

import argparse
import hashlib
import json
import pathlib
import shutil
import sys
import zipfile
from typing import Any, NamedTuple

import reading_answers
from common import ASSAY, REPOSITORY, Cost, cost, room, table
from reading_answers import record, short
from reading_score import RIGHT, SILENT, SKIPPED, SURE, UNKNOWN, WRONG, Mark, Outputs, beyond
from reading_score import marks as marks_of_claims

CORPUS = REPOSITORY / "bench/reading_corpus.json"
STAGES = ("source", "match", "probe", "agree")
WORKERS = {
    "match": ("match", "match"),
    "watching upstream, each way to start it": ("probe", "behave"),
    "rehearsing, each draft": ("probe", "rehearse"),
    "the model on tensors": ("probe", "probe"),
}
EXPERIMENT = """\
model: {{name: {name}, checkpoint: checkpoints/{name}/{weights}}}
source: {{path: src/{tree}}}
env: {{python: {python}}}
device: cpu
inputs: {{find: [downloads, refs], count: {count}}}
"""


class Result(NamedTuple):
    """What came of one repository."""

    id: str
    name: str
    split: str
    marks: list[Mark]
    beyond: list[str]  # claims that the truth is silent on
    seconds: dict[str, float]  # wall time of the stages
    workers: dict[str, dict[str, float]]  # CPU seconds of each worker, by stage
    cpu: float  # of the whole run
    stopped: str  # why a run failed

    def count(self, verdict: str) -> int:
        """Count the facts with this verdict."""
        return sum(mark.verdict == verdict for mark in self.marks)

    def whole(self) -> bool:
        """Tell whether everything that is scored is right."""
        return all(mark.verdict in (RIGHT, SILENT, SKIPPED) for mark in self.marks)

    def runs(self) -> "bool | None":
        """Tell whether every named input reached the model and was decoded as by upstream; None where there is none."""
        told = [mark for mark in self.marks if mark.field.startswith(("tensors ", "decoded "))]
        return all(mark.verdict == RIGHT for mark in told) if told else None


def main() -> None:
    """Run the tool on every repository asked for, and score what it says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repos", required=True, help="a folder with checkouts: owner/name, name, or number-anything")
    options.add_argument("--python", default=sys.executable, help="an interpreter with what the models need")
    options.add_argument("--only", default="", help="numbers, as 01,02")
    options.add_argument("--split", choices=("dev", "held-out"))
    options.add_argument("--json", help="write every fact and its verdict to this file")
    options.add_argument("--folder", help="work here and leave it; what is fresh there is not built again")
    options.add_argument("--no-run", action="store_true", help="score what lies in --folder, and build nothing")
    asked = options.parse_args()
    chosen = [r for r in json.loads(CORPUS.read_text())["repositories"] if wanted(r, asked)]
    if not chosen:
        sys.exit("no such repository")
    with room(asked.folder) as folder:
        results = [examined(truth, folder, asked) for truth in chosen]
    told(results)
    if asked.json:
        facts = [{**r._asdict(), "marks": [m._asdict() for m in r.marks]} for r in results]
        pathlib.Path(asked.json).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def wanted(truth: dict[str, Any], asked: argparse.Namespace) -> bool:
    """Tell whether a repository is asked for."""
    numbers = [n for n in asked.only.split(",") if n]
    return (not numbers or truth["id"] in numbers) and asked.split in (None, truth["split"])


# ---------------------------------------------------------------- running
def examined(truth: dict[str, Any], folder: pathlib.Path, asked: argparse.Namespace) -> Result:
    """Make an experiment of a repository, build it to its end, and score it."""
    checkout = found(pathlib.Path(asked.repos), truth)
    root, name = folder / truth["id"], f"r{truth['id']}"
    files = reading_answers.inputs(truth, checkout)
    stopped, cpu = "", 0.0
    if not asked.no_run:
        if not root.exists():
            prepare(root, name, checkout, truth, files, asked.python)
        done = cost([ASSAY, "agree", f"exp={name}"], root)
        stopped, cpu = why(done), done.cpu
    places = sorted(root.glob(f"tmp/{name}-*"))
    if not places:
        sys.exit(f"{truth['id']}: nothing was built: {stopped}")
    workspace = places[-1]
    outputs = Outputs(*(record(workspace, kind) for kind in ("contract", "match", "params", "checkpoint")))
    marks = marks_of_claims(truth, outputs, checkout) + reading_answers.marks(truth, workspace, files)
    extra = beyond(truth, outputs)
    lines = journal(workspace)
    seconds = {line["stage"]: line["seconds"] for line in lines}
    workers = {line["stage"]: line["cpu"] for line in lines}
    return Result(truth["id"], truth["repo"], truth["split"], marks, extra, seconds, workers, cpu, stopped)


def why(done: Cost) -> str:
    """Give the line by which a run that failed says why."""
    lines = done.said.strip().splitlines()
    return next((line for line in lines if line.startswith("assay:")), lines[-1]) if done.code and lines else ""


def found(repos: pathlib.Path, truth: dict[str, Any]) -> pathlib.Path:
    """Find a checkout, and see that it holds the weights that the truth is about."""
    name = truth["repo"].partition("/")[2]
    places: list[pathlib.Path] = [repos / truth["repo"], repos / name, *sorted(repos.glob(f"{truth['id']}-*"))]
    for place in places:
        weights = place / truth["weights"]
        if weights.is_file() and hashlib.sha256(weights.read_bytes()).hexdigest() == truth["sha256"]:
            return place.resolve()
    sys.exit(f"{repos}: no checkout of {truth['repo']} at {truth['commit'][:12]} with its weights")


def prepare(
    root: pathlib.Path, name: str, checkout: pathlib.Path, truth: dict[str, Any], files: dict[str, bytes], python: str
) -> None:
    """Lay out a workspace with the checkout, the weights and the inputs that the answers are about."""
    weights, tree = checkout / truth["weights"], truth["repo"].partition("/")[2].lower()
    shutil.copytree(checkout, root / "src" / tree, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    for folder in (f"checkpoints/{name}", "experiments", "downloads"):
        (root / folder).mkdir(parents=True)
    shutil.copy(weights, root / f"checkpoints/{name}")
    for file, data in files.items():
        (root / "downloads" / file).write_bytes(data)
    text = EXPERIMENT.format(name=name, weights=weights.name, tree=tree, python=python, count=len(files) or 3)
    if is_program(weights):  # of a file that is code, only a person's trust makes it run
        text += f"trust: {truth['sha256']}\n"
    (root / f"experiments/{name}.yaml").write_text(text)


def is_program(weights: pathlib.Path) -> bool:
    """Tell whether weights are a TorchScript archive."""
    if not zipfile.is_zipfile(weights):
        return False
    with zipfile.ZipFile(weights) as archive:
        return any("/code/" in name for name in archive.namelist())


def journal(workspace: pathlib.Path) -> list[dict[str, Any]]:
    """Read what the journal says of each stage when it last ran."""
    file = workspace / "journal.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    return [line for line in lines if line.get("stage") in STAGES and "event" not in line]


# ---------------------------------------------------------------- telling
def told(results: list[Result]) -> None:
    """Print the score of each repository, what is wrong or unknown, and the totals."""
    print("\n### Source reading: facts of the corpus, by what assay says of them\n")
    verdicts = (RIGHT, UNKNOWN, WRONG, SILENT, SKIPPED)
    rows: list[list[object]] = [
        [r.id, r.name, *(r.count(v) for v in verdicts), yes(r.whole()), yes(r.runs())] for r in results
    ]
    sums = [sum(r.count(v) for r in results) for v in verdicts]
    ran = [r for r in results if r.runs() is not None]
    whole, runs = sum(r.whole() for r in results), sum(bool(r.runs()) for r in ran)
    rows.append(["", "all", *sums, f"{whole} of {len(results)}", f"{runs} of {len(ran)}"])
    table(["no", "repository", *verdicts, "whole", "runs right"], rows)
    marks = [mark for r in results for mark in r.marks]
    sure = [m for m in marks if m.status in SURE and m.verdict in (RIGHT, WRONG)]
    read = [m for m in marks if m.status == "read" and m.verdict in (RIGHT, WRONG)]
    print(f"\nPrecision of claims at observed or better: {share(sure)}; of those only read: {share(read)}.")
    print(f"Recall, of the facts that are scored: {sums[0]} of {sum(sums[:3])}.")
    for result in results:
        listed(result)
    print("\nSeconds: wall time of stages by the journal, and CPU time of the whole run (0 where nothing was built):\n")
    rows = [
        [r.id, *(f"{r.seconds[s]:.1f}" if s in r.seconds else "-" for s in STAGES), f"{r.cpu:.1f}"] for r in results
    ]
    table(["no", *STAGES, "all, CPU"], rows)
    print("\nCPU seconds of the workers of match and probe, each:\n")
    rows = [[r.id, *(of_workers(r, *which) for which in WORKERS.values())] for r in results]
    table(["no", *WORKERS], rows)


def of_workers(result: Result, stage: str, verb: str) -> str:
    """Write what each worker that did a verb cost, in the order in which they ran."""
    found = [cpu for name, cpu in result.workers.get(stage, {}).items() if name.partition("-")[0] == verb]
    return " + ".join(f"{cpu:.1f}" for cpu in found) or "-"


def listed(result: Result) -> None:
    """Print what of a repository is wrong, unknown or not to be compared."""
    print(f"\n**{result.id} {result.name}**" + (f" (stopped: {result.stopped})" if result.stopped else "") + "\n")
    for mark in result.marks:
        if mark.verdict == WRONG:
            level = f" ({mark.status})" if mark.status else ""
            more = f" [{mark.note}]" if mark.note else ""
            print(f"- wrong: {mark.field}{level}: {short(mark.found)}, true: {short(mark.true)}{more}")
    for verdict in (UNKNOWN, SKIPPED):
        names = [m.field + (f" ({m.note})" if m.note not in ("", "prose") else "") for m in result.marks
                 if m.verdict == verdict]  # fmt: skip
        if names:
            print(f"- {verdict}: {', '.join(names)}")
    if result.beyond:
        print(f"- said beyond the truth, and not scored: {', '.join(result.beyond)}")


def yes(value: "bool | None") -> str:
    """Write a truth; nothing where there was nothing to tell."""
    return "-" if value is None else "yes" if value else "no"


def share(marks: list[Mark]) -> str:
    """Write how many are right."""
    right = sum(mark.verdict == RIGHT for mark in marks)
    return f"{right} of {len(marks)}" + (f" ({right / len(marks):.3f})" if marks else "")


if __name__ == "__main__":
    main()
