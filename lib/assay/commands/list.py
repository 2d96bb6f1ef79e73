"""Verb list: the stage graph of every experiment."""

from assay.commandline import Line
from assay.commands.status import Standing, as_json, exit_code, say_broken, standings
from assay.engines.progress import printable
from assay.plan import BY_NAME
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Print each experiment's stages with their state."""
    if not known_experiments(session.root):
        print("no experiments yet; write one with: doit new exp=NAME checkpoint=FILE name=MODEL")
        return 0
    found = standings(session, line)
    if line.json:
        print(as_json(found))
        return exit_code(found)
    for standing in found:
        if not say_broken(standing):
            print("\n".join(lines(standing)))
    return exit_code(found)


def lines(standing: Standing) -> list[str]:
    """Show one experiment as a table of stage, state, reason or purpose."""
    place = f"  {standing.workspace}" if standing.workspace and not standing.workspace.endswith("-never-built") else ""
    shown = [f"{standing.experiment}{place}"]
    shown += [f"  ! {note}" for note in standing.notes]
    for name, verdict in standing.stages.items():
        text = "; ".join(verdict.reasons[:2]) if verdict.reasons and verdict.status != "never" else BY_NAME[name].does
        after = f" <- {', '.join(BY_NAME[name].after)}" if BY_NAME[name].after else ""
        word = "not yet" if verdict.status == "off" else verdict.status
        shown.append(f"  {name:<11}{word:<10}{printable(text)}{after}")
    return shown
