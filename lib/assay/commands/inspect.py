"""Verb inspect: what a checkpoint is, holds and could do, on one screen; of an experiment, or of any file."""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from assay import layout, plan, records
from assay.canonical import dumps
from assay.commandline import Line
from assay.domain import Experiment
from assay.engines.progress import say
from assay.errors import DONE, WRONG_INPUT, Fault, WrongInput
from assay.examination import RENAME, Examination
from assay.formats import shown
from assay.freshness import FRESH
from assay.report.screen import screen
from assay.session import Session, known_experiments

Rows = tuple[tuple[str, str], ...]
USAGE = "assay inspect FILE, or assay inspect EXPERIMENT"


def run(session: Session, line: Line) -> int:
    """Inspect every experiment and file that is named."""
    names = [n for n in line.variables.get("exp", "").split(",") if n]
    known = known_experiments(session.root)
    files = [w for w in line.words if w not in known]  # a file called as an experiment is: ./NAME
    names += [w for w in line.words if w in known]
    if not names and not files:
        raise WrongInput("inspect needs a file or an experiment", mend=USAGE)
    shows: list[Callable[[], int]] = [partial(_experiment, session, name, line) for name in names]
    shows += [partial(_file, session, name, line) for name in files]
    return _all(shows)


def _all(shows: "list[Callable[[], int]]") -> int:
    """Show one after the other; what is wrong with one keeps no other from being shown."""
    worst = DONE
    for i, show in enumerate(shows):
        if i:
            print()
        try:
            worst = max(worst, show())
        except Fault as fault:
            sys.stdout.flush()
            say(fault)
            worst = max(worst, fault.exit_code)
    return worst


def _file(session: Session, name: str, line: Line) -> int:
    """Inspect a file or folder, whatever it belongs to."""
    examined = Examination(Path(name).expanduser())
    _print(_look(session, examined, line, {}), line, _link(name))
    return _faults(examined)


def _look(session: Session, examined: Examination, line: Line, claimed: "dict[str, str]") -> records.Checkpoint:
    """Read every byte, unless that is not wanted or not worth it."""
    quick = "--quick" in line.flags or examined.content.damaged
    return examined.quick() if quick else examined.record(session.digests, claimed)


def _experiment(session: Session, name: str, line: Line) -> int:
    """Inspect an experiment's checkpoint: as it was recorded when that is fresh, else as it lies there now."""
    build = session.builds([name])[name]
    stage = plan.BY_NAME["checkpoint"]
    if build.why(stage).status == FRESH:
        document = json.loads(build.workspace.at(layout.record("checkpoint")).read_bytes())
        _print(records.from_json("checkpoint", document), line, _of_experiment(build.experiment, document["sha256"]))
        return DONE
    examined = build.requests.examination()
    found = _look(session, examined, line, build.experiment.model.claimed)
    as_it_is = ("", "not built yet: as the file lies there")
    _print(found, line, (*_of_experiment(build.experiment, found.sha256), as_it_is))
    return _faults(examined)


def _print(found: records.Checkpoint, line: Line, beside: Rows) -> None:
    if line.json:
        print(dumps(msgspec.to_builtins(found)), end="")
    else:
        print("\n".join(screen(found, beside=beside, all_tensors="--tensors" in line.flags)))


def _of_experiment(experiment: Experiment, sha256: str) -> Rows:
    rows = [("claimed", f"{key}: {value}") for key, value in experiment.model.claimed.items()]
    if experiment.trust and sha256:
        rows.append(("trusted", "yes" if experiment.trust == sha256 else f"no: trust names {experiment.trust}"))
    return tuple(rows)


def _link(name: str) -> Rows:
    return (("link to", shown(os.path.realpath(name))),) if os.path.islink(name) else ()


def _faults(examined: Examination) -> int:
    """Say on stderr, a line each, what keeps the file from being used as it is."""
    where = shown(examined.path)
    faults = [WrongInput(examined.misnamed, where=where, mend=RENAME)] if examined.misnamed else []
    faults += [WrongInput(what, where=where, mend="fetch it again") for what in examined.content.damaged]
    faults += [WrongInput(what, where=where) for what in examined.content.cannot]
    sys.stdout.flush()
    for fault in faults:
        say(fault)
    return WRONG_INPUT if faults else DONE
