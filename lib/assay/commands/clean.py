"""Verb clean: remove an experiment's workspace, what is remembered of it, and environments that only it named."""

import shutil
from pathlib import Path

from assay import files, layout, plan, stamp, workspace
from assay.build import Build
from assay.commandline import Line, experiments_of
from assay.errors import WrongInput
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Remove what was built of each experiment named."""
    if not line.variables.get("exp") and not line.words:
        raise WrongInput("clean needs an experiment", mend="doit clean exp=NAME")
    builds = Session(session.root, reads_only=True).builds(experiments_of(line, known_experiments(session.root)))
    for name, build in builds.items():
        stamp.drop(session.root, name)
        if not build.workspace.path.is_dir():
            print(f"{name}: nothing to clean")
            continue
        try:
            with files.lock(
                build.workspace.at(".lock"), waiting=lambda holder, n=name: print(f"waiting for {n}, held by {holder}")
            ):
                _remove(build)
        except OSError as error:
            raise files.cannot_write(build.workspace.path, error) from error
        workspace.pointer(session.root, name).unlink(missing_ok=True)
        print(f"{name}: removed {build.workspace.folder}")
    _remove_environments(session.root)
    return 0


def _remove_environments(root: Path) -> None:
    """Remove the environments that no workspace names any more; all stay while it cannot be told which these are."""
    from assay.config.spec import read_experiment
    from assay.envs import unused

    try:
        told = [read_experiment(root, name).workspace for name in known_experiments(root)]
        ours = [place for place in (root / "tmp").glob("*") if place.is_dir()]
        places = [*ours, *(root / folder for folder in told if folder)]
        removed = unused.remove(root, places, lambda holder: print(f"waiting for an environment, held by {holder}"))
    except WrongInput:
        return  # an experiment, or a deps.lock, that cannot be read may name any of them
    if removed:
        print(f"removed {', '.join(removed)}: no workspace names {'it' if len(removed) == 1 else 'them'} any more")


def _remove(build: Build) -> None:
    """Remove the whole folder when it is ours under tmp/, else only what the journal says we wrote."""
    if build.workspace.folder.startswith("tmp/") and not build.experiment.workspace:
        shutil.rmtree(build.workspace.path)
        return
    for stage in plan.NAMES:
        last = build.journal.last(stage)
        for path in last.outputs if last else ():
            build.workspace.at(path).unlink(missing_ok=True)
    for name in ("refs", layout.WORKER, ".partial"):
        shutil.rmtree(build.workspace.at(name), ignore_errors=True)
    build.workspace.at(layout.JOURNAL).unlink(missing_ok=True)
