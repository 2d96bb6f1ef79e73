"""One run over one repository: its experiments, its memory of digests, its builds."""

import os
from functools import cached_property
from pathlib import Path

from assay import stamp, workspace
from assay.build import Build
from assay.code import OwnCode
from assay.config.spec import experiment_names, read_experiment
from assay.digests import Digests
from assay.errors import WrongInput, WrongInputs


class Session:
    """Everything that the builds of one run share."""

    def __init__(self, root: Path, *, reads_only: bool = False) -> None:
        self.root = root
        self.reads_only = reads_only

    @cached_property
    def digests(self) -> Digests:
        """Give the run's memory of digests."""
        return Digests(None if self.reads_only else self.root / stamp.SHARED)

    @cached_property
    def own_code(self) -> OwnCode:
        """Give the digests of assay's own code."""
        return OwnCode(self.digests, self.root / stamp.CODE)

    def builds(self, names: "list[str]") -> "dict[str, Build]":
        """Read experiments and find or make their workspaces; all faults of all files at once."""
        faults: list[WrongInput] = []
        found = {}
        for name in names:
            try:
                found[name] = self._build(name)
            except WrongInputs as several:
                faults += several.faults
            except WrongInput as fault:
                faults.append(fault)
        if faults:
            raise WrongInputs(faults)
        return found

    def _build(self, name: str) -> Build:
        experiment = read_experiment(self.root, name)
        if self.reads_only:
            place = workspace.current(self.root, name, experiment.workspace)
            place = place or workspace.Workspace(self.root, experiment.workspace or f"tmp/{name}-never-built")
        else:
            place = workspace.begin(self.root, name, experiment.workspace)
        return Build(self.root, experiment, self.digests, self.own_code, place)


def find_root(start: Path) -> Path:
    """Find the repository: the nearest folder upwards that has experiments/."""
    for folder in (start, *start.parents):
        if (folder / "experiments").is_dir():
            return folder
    raise WrongInput("no experiments/ here or above", where=os.fspath(start), mend="run assay init")


def known_experiments(root: Path) -> list[str]:
    """Name the experiments of a repository."""
    return experiment_names(root)
