"""Verb why: one line per reason of each stale stage, old -> new."""

import os
from pathlib import Path

from assay import layout, workspace
from assay.commandline import Line
from assay.commands.status import RUNS, as_json, asked_stages, exit_code, few, say_broken, standings
from assay.config.spec import read_experiment
from assay.engines.progress import printable
from assay.freshness import FRESH, NEVER, Verdict
from assay.session import Session

SEARCHED = ("datasets", "downloads")


def run(session: Session, line: Line) -> int:
    """Print why each stale stage is stale."""
    found = standings(session, line)
    if line.json:
        print(as_json(found))
        return exit_code(found)
    wanted = asked_stages(line)
    for standing in found:
        if say_broken(standing):
            continue
        rows = [f"{standing.experiment}: ! {note}" for note in standing.notes]
        for name, verdict in standing.stages.items():
            if name in wanted and verdict.status in (*RUNS, "elsewhere", "edited"):
                rows += [f"{standing.experiment}: {name}: {printable(reason)}" for reason in few(_own(verdict.reasons))]
        rows = rows or [f"{standing.experiment}: everything is fresh"]
        fresh = standing.stages.get("inputs", Verdict(NEVER)).status == FRESH
        print("\n".join(rows + (newcomers(session.root, standing.experiment) if fresh else [])))
    return exit_code(found)


def newcomers(root: Path, experiment: str) -> list[str]:
    """Mention searched folders that changed since the inputs were chosen: that alone restarts nothing."""
    place = workspace.current(root, experiment)
    try:
        chosen = os.stat(place.at(layout.record("inputs"))).st_mtime_ns if place else None
    except OSError:
        return []
    if chosen is None:
        return []
    searched = read_experiment(root, experiment).inputs.find
    changed = [name for name in SEARCHED if name in searched and _newer(root / name, chosen)]
    again = f"doit forget inputs exp={experiment} looks again"
    return [f"{experiment}: {name}/ changed since the inputs were chosen; {again}" for name in changed]


def _newer(folder: Path, than: int) -> bool:
    return any(os.stat(f).st_mtime_ns > than for f, _, _ in os.walk(folder))


def _own(reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(r for r in reasons if not r.startswith("waits for "))
