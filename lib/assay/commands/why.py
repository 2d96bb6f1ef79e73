"""Verb why: one line per reason of each stale stage, old -> new."""

from assay.commandline import Line
from assay.commands.status import RUNS, as_json, asked_stages, standings
from assay.engines.progress import printable
from assay.session import Session


def run(session: Session, line: Line) -> int:
    """Print why each stale stage is stale."""
    found = standings(session, line)
    if line.json:
        print(as_json(found))
        return 0
    wanted = asked_stages(line)
    for standing in found:
        rows = [f"{standing.experiment}: ! {note}" for note in standing.notes]
        for name, verdict in standing.stages.items():
            if name in wanted and verdict.status in (*RUNS, "elsewhere", "edited"):
                rows += [f"{standing.experiment}: {name}: {printable(reason)}" for reason in verdict.reasons]
        print("\n".join(rows) if rows else f"{standing.experiment}: everything is fresh")
    return 0
