"""Verb plan: what would run, in order, and why."""

from assay.commandline import Line
from assay.commands.status import RUNS, as_json, asked_stages, exit_code, few, say_broken, standings
from assay.engines.progress import printable
from assay.session import Session


def run(session: Session, line: Line) -> int:
    """Print the stages that would run now."""
    found = standings(session, line)
    if line.json:
        print(as_json(found))
        return exit_code(found)
    wanted = asked_stages(line)
    for standing in found:
        if say_broken(standing):
            continue
        rows = []
        for name, verdict in standing.stages.items():
            if name in wanted and verdict.status in (*RUNS, "after"):
                may = "may run" if verdict.status == "after" else "runs"
                rows.append(f"  {name:<11}{may:<9}{printable('; '.join(few(verdict.reasons)))}")
        told = f"{len(rows)} to run" if rows else "nothing to do"
        print(f"{standing.experiment}: {told}")
        for row in [f"  ! {n}" for n in standing.notes] + rows:
            print(row)
    return exit_code(found)
