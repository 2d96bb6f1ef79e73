"""Where an experiment stands, stage by stage; shared by list, plan and why."""

import sys
from typing import NamedTuple

from assay import layout, plan, stamp
from assay.commandline import Line, experiments_of
from assay.engines.progress import printable
from assay.errors import DONE, WRONG_INPUT, WrongInputs
from assay.freshness import FRESH, OFF, Verdict
from assay.session import Session, known_experiments

MOST_REASONS = 3  # shown of one stage
RUNS = ("stale", "never", "failed")


class Standing(NamedTuple):
    """One experiment's stages and the workspace they lie in."""

    experiment: str
    workspace: str
    stages: dict[str, Verdict]
    notes: tuple[str, ...] = ()
    broken: bool = False  # the experiment file itself has faults, told in notes


def standings(session: Session, line: Line) -> list[Standing]:
    """Tell for every experiment asked for what each stage's state is; reads only."""
    names = experiments_of(line, known_experiments(session.root))
    root = str(session.root)
    tool = stamp.tool_id(root)
    settled = {n: line for n in names if tool and (line := stamp.check(root, n, tool)) is not None}
    found = {n: Standing(n, layout.workspace_of(told), _all_fresh()) for n, told in settled.items()}
    for name in names:
        if name not in found:
            found[name] = _standing(session, name)
    return [found[n] for n in names]


def _standing(session: Session, name: str) -> Standing:
    try:
        build = session.builds([name])[name]
    except WrongInputs as faults:
        return Standing(name, "", {}, tuple(str(f) for f in faults.faults), broken=True)
    return Standing(name, build.workspace.folder, build.survey(), tuple(_notes(build)))


def few(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Give the first reasons of many; --json has all of them."""
    more = len(reasons) - MOST_REASONS
    return (*reasons[:MOST_REASONS], f"and {more} more (--json lists them)") if more > 0 else reasons


def exit_code(found: list[Standing]) -> int:
    """Give the exit code: a broken experiment file is wrong input, though the others could be told."""
    return WRONG_INPUT if any(s.broken for s in found) else DONE


def say_broken(standing: Standing) -> bool:
    """Say the faults of a broken experiment where faults are said; tell whether it was one."""
    for note in standing.notes if standing.broken else ():
        print(f"assay: {printable(note)}", file=sys.stderr)
    return standing.broken


def _all_fresh() -> dict[str, Verdict]:
    return {s.name: Verdict(OFF, (s.not_yet,)) if s.not_yet else Verdict(FRESH) for s in plan.STAGES}


def _notes(build: object) -> list[str]:
    journal = build.journal  # type: ignore[attr-defined]
    if journal.broken:
        return [
            f"{journal.broken} unreadable line(s) in journal.jsonl are ignored; what they told counts as never built"
        ]
    if (
        not journal.lines
        and journal.path.parent.joinpath("outputs").is_dir()
        and any(journal.path.parent.joinpath("outputs").glob("*.json"))
    ):
        return ["journal.jsonl is gone: everything counts as never built"]
    return []


def asked_stages(line: Line) -> set[str]:
    """Name the stages that a command line mentions, with all below them; every stage when it mentions none."""
    words = [w.partition(":")[0] for w in line.words if w.partition(":")[0] in plan.BY_NAME]
    return {s.name for s in plan.needed(words)} if words else set(plan.NAMES)


def as_json(found: list[Standing]) -> str:
    """Give the standings to a machine."""
    import json

    document = {
        s.experiment: {
            "workspace": s.workspace,
            "stages": {n: {"status": v.status, "reasons": list(v.reasons)} for n, v in s.stages.items()},
            "notes": list(s.notes),
        }
        for s in found
    }
    return json.dumps(document, indent=1, sort_keys=True)
