"""Verb clean: remove an experiment's workspace and what is remembered of it."""

import shutil

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
    return 0


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
