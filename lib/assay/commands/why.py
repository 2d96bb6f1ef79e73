"""Verb why: one line per reason of each stale stage, old -> new."""

import os
from pathlib import Path

from assay import layout, workspace
from assay.commandline import Line
from assay.commands.status import RUNS, as_json, asked_stages, exit_code, standings
from assay.engines.progress import printable
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
        rows = [f"{standing.experiment}: ! {note}" for note in standing.notes]
        for name, verdict in standing.stages.items():
            if name in wanted and verdict.status in (*RUNS, "elsewhere", "edited"):
                rows += [f"{standing.experiment}: {name}: {printable(reason)}" for reason in verdict.reasons]
        rows = rows or [f"{standing.experiment}: everything is fresh"]
        print("\n".join(rows + newcomers(session.root, standing.experiment)))
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
    changed = [name for name in SEARCHED if any(os.stat(f).st_mtime_ns > chosen for f, _, _ in os.walk(root / name))]
    again = f"doit forget inputs exp={experiment} looks again"
    return [f"{experiment}: {name}/ changed since the inputs were chosen; {again}" for name in changed]
