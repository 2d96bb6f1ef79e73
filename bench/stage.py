"""What assay itself costs for every stage that runs, beside the stage's own work."""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from common import ASSAY, against, cost, heading, median, ms, repository, room, run, table

CPU_BAR = 0.015
MEASURE = "measure: {batch: [1], threads: [1], precision: [fp32], seconds: 0.2}\n"


def main() -> None:
    """Build the example again and again, timing from inside."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--folder", help="work here and leave it")
    options.add_argument("--inside", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.inside:
        inside(pathlib.Path(asked.inside))
        return
    with room(asked.folder) as folder:
        home = prepared(folder)
        heading("Overhead of assay per stage that runs, CPU time of the controller")
        overhead(home, asked.rounds)
        heading("Syncs to the disk per stage that runs")
        syncs(home)
        heading("Start of the worker, CPU time of its process; not part of the above")
        worker(home, asked.rounds)


def prepared(folder: pathlib.Path) -> pathlib.Path:
    """Make a repository whose example is measured only briefly."""
    home = repository(folder / "repository")
    yaml = home / "experiments/yolo.yaml"
    text = re.sub(r"(?m)^measure:.*\n(?:[ #].*\n|\n)*", MEASURE, yaml.read_text())
    yaml.write_text(re.sub(r"(?m)^targets:.*\n(?:[ #].*\n?|\n)*", "", text))
    return home


# ------------------------------------------------------------ in a process of its own
def inside(out: pathlib.Path) -> None:
    """Build in this process, with clocks around what assay does, and tell them as JSON."""
    from assay import build, cli, stages

    spent: dict[str, Any] = {"decide": 0.0, "around": {}, "own": {}, "syncs": {}}
    real, sync, stage_now = stages.run_stage, os.fsync, [""]

    def own_work(job: Any) -> None:
        started = time.process_time()
        try:
            real(job)
        finally:
            spent["own"][job.stage.name] = time.process_time() - started

    def counted(handle: int) -> None:
        spent["syncs"][stage_now[0]] = spent["syncs"].get(stage_now[0], 0) + 1
        sync(handle)

    class Timed(build.Build):
        def why(self, stage: Any, *, asked: bool = False) -> Any:
            started = time.process_time()
            try:
                return super().why(stage, asked=asked)
            finally:
                spent["decide"] += time.process_time() - started

        def run(self, stage: Any) -> None:
            started, stage_now[0] = time.process_time(), stage.name
            try:
                super().run(stage)
            finally:
                spent["around"][stage.name] = time.process_time() - started - spent["own"][stage.name]
                stage_now[0] = ""

    stages.run_stage, build.Build, os.fsync = own_work, Timed, counted  # type: ignore[misc]
    try:
        spent["exit"] = cli.run(["report", "yolo"])
    except SystemExit as ended:
        spent["exit"] = ended.code
    spent["all"] = time.process_time()
    out.write_text(json.dumps(spent))


# ------------------------------------------------------------ what it costs
def overhead(home: pathlib.Path, rounds: int) -> None:
    """Take the controller's CPU time apart."""
    found, starts = [], []
    for _ in range(rounds):
        found.append(built(home))
        (home / "tmp/.cache/stamp-yolo.txt").unlink()
        starts.append(run([ASSAY, "report", "yolo"], home).cpu)  # loads and decides the same, and runs nothing
    stages = len(found[0]["around"])
    own = [sum(f["own"].values()) for f in found]
    around = [sum(f["around"].values()) / stages for f in found]
    decide = [f["decide"] / stages for f in found]
    rest = [(f["all"] - o - sum(f["around"].values()) - f["decide"]) for f, o in zip(found, own, strict=True)]
    mine = [a + d for a, d in zip(around, decide, strict=True)]
    more = [(f["all"] - o - s) / stages for f, o, s in zip(found, own, starts, strict=True)]
    everything = [(f["all"] - o) / stages for f, o in zip(found, own, strict=True)]
    rows: list[list[object]] = [
        ["deciding, per stage", shown(decide), ""],
        ["running aside, hashing, syncing, journal, per stage", shown(around), ""],
        ["both: what a further stage costs", shown(mine), bar(mine)],
        ["whole process, less the stages' own work and a no-op without stamp, per stage", shown(more), bar(more)],
        ["whole process, less only the stages' own work, per stage", shown(everything), ""],
        ["the rest, once a run: start, loading, doit, READMEs, stamp", shown(rest), ""],
        [f"the stages' own work in the controller, all {stages} together", shown(own), ""],
    ]
    table(["part", "CPU, median", "bar"], rows)
    print()
    names = list(found[0]["around"])
    per = [[n, *(shown([f[part][n] for f in found]) for part in ("around", "own"))] for n in names]
    table(["stage", "assay around it", "its own work"], per)


def shown(seconds: list[float]) -> str:
    """Write a median."""
    return ms(statistics.median(seconds))


def bar(seconds: list[float]) -> str:
    """Hold a median against the bar, in milliseconds."""
    return against(statistics.median(seconds) * 1000, CPU_BAR * 1000)


def built(home: pathlib.Path) -> dict[str, Any]:
    """Build everything anew and give the clocks; digests of assay's own code stay remembered."""
    for place in (home / "tmp").glob("yolo-*"):
        shutil.rmtree(place)
    shutil.rmtree(home / "tmp/.current", ignore_errors=True)
    with tempfile.TemporaryDirectory() as aside:
        out = pathlib.Path(aside) / "spent.json"
        done = cost([sys.executable, __file__, "--inside", str(out)], home)
        found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"exit": done.code}
    if found["exit"]:
        sys.exit(done.said)
    return found


# ------------------------------------------------------------ syncs
def syncs(home: pathlib.Path) -> None:
    """Count syncs per stage, and hold them against its outputs."""
    found = built(home)
    outputs = outputs_of(home)
    rows: list[list[object]] = []
    for name, count in found["syncs"].items():
        allowed = outputs.get(name, 0) + 1
        rows.append([name or "outside any stage", count, allowed if name else "", against(count, allowed)])
    table(["stage", "syncs", "outputs + 1", "bar"], rows)
    total, allowed = sum(found["syncs"].values()), sum(n + 1 for n in outputs.values())
    print(f"\n{total} in the whole run, {allowed} allowed; strace counts {traced(home)}.")


def outputs_of(home: pathlib.Path) -> dict[str, int]:
    """Count each stage's outputs, from the journal."""
    place = home / (home / "tmp/.current/yolo").read_text().strip()
    lines = [json.loads(line) for line in (place / "journal.jsonl").read_text().splitlines()]
    return {line["stage"]: len(line["outputs"]) for line in lines if "outputs" in line}


def traced(home: pathlib.Path) -> str:
    """Let the kernel's own count confirm it, where strace is there."""
    if not shutil.which("strace"):
        return "nothing: it is not installed"
    shutil.rmtree(home / "tmp")
    with tempfile.TemporaryDirectory() as aside:
        log = pathlib.Path(aside) / "log"
        watched = ["strace", "-f", "-o", str(log), "-e", "trace=fsync,fdatasync,sync,syncfs,sync_file_range"]
        if subprocess.run([*watched, ASSAY, "report", "yolo"], cwd=home, capture_output=True).returncode:
            return "nothing: it may not trace here"
        return str(len(re.findall(r"(?m)^\d+ +\w*sync\w*\(", log.read_text())))


# ------------------------------------------------------------ the worker
def worker(home: pathlib.Path, rounds: int) -> None:
    """Time worker processes by hand, as reproduce.sh runs them, and an interpreter that does nothing."""
    place = home / (home / "tmp/.current/yolo").read_text().strip()
    commands = {"an interpreter that does nothing": [sys.executable, "-I", "-c", "pass"]}
    for step in sorted(place.glob("scripts/*.json")):
        request = json.loads(step.read_text())
        line = [sys.executable, "-I", "scripts/worker/boot.py", f"scripts/{step.name}", ".partial/answer.json"]
        line += ["--out", ".partial"]
        if "checkpoint" in request:
            line += ["--checkpoint", str(home / "examples/tinyyolo/tinyyolo.onnx")]
        commands[f"the worker for {step.stem}, with its work"] = line
    (place / ".partial").mkdir(exist_ok=True)
    rows: list[list[object]] = []
    for name, command in commands.items():
        found = median([run(command, place) for _ in range(rounds)])
        rows.append([name, ms(found.cpu), ms(found.wall)])
    table(["process", "CPU", "wall"], rows)


if __name__ == "__main__":
    main()
