"""Verb reproduce: repeat the build in a copy, without assay, and compare."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from assay import scripts
from assay.commandline import Line, experiments_of
from assay.errors import DONE, FAILED, WrongInput
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Copy each workspace elsewhere and let its own reproduce.sh repeat it there."""
    worst = DONE
    for name, build in session.builds(experiments_of(line, known_experiments(session.root))).items():
        if not build.workspace.at("scripts/reproduce.sh").exists():
            scripts.write(build.workspace, build.journal)  # a run that was killed at its very end left none
        if not build.workspace.at("scripts/reproduce.sh").exists():
            raise WrongInput("there is nothing to repeat yet", where=name, mend=f"doit report exp={name}")
        with tempfile.TemporaryDirectory(prefix=f"assay-{name}-") as folder:
            copy = Path(folder) / "workspace"
            shutil.copytree(
                build.workspace.path, copy, ignore=shutil.ignore_patterns(".lock", ".partial", "reproduced")
            )
            command = [
                str(copy / "scripts/reproduce.sh"),
                str(build.requests.checkpoint_path.absolute()),
                str(build.requests.python.python),
            ]
            print(f"{name}: repeating in a copy", flush=True)
            code = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
        worst = max(worst, FAILED if code else DONE)
    return worst
