"""Verb fresh: begin a new workspace; the old one stays as it is."""

from assay import stamp, workspace
from assay.commandline import Line, experiments_of
from assay.config.spec import read_experiment
from assay.errors import WrongInput
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Point each experiment named at a new, empty workspace."""
    if not line.variables.get("exp") and not line.words:
        raise WrongInput("fresh needs an experiment", mend="doit fresh exp=NAME")
    for name in experiments_of(line, known_experiments(session.root)):
        experiment = read_experiment(session.root, name)
        if experiment.workspace:
            mend = f"remove that key, or run doit clean exp={name}"
            raise WrongInput(f"workspace: is fixed to {experiment.workspace}", where=experiment.file, mend=mend)
        old = workspace.current(session.root, name)
        new = workspace.renew(session.root, name)
        stamp.drop(session.root, name)
        print(f"{name}: {new.folder}" + (f"; {old.folder} stays" if old else ""))
    return 0
