"""One run over one repository: its experiments, its memory of digests, its builds."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assay import stamp
from assay.errors import WrongInput, WrongInputs

if TYPE_CHECKING:  # loaded only when something may have moved
    from collections.abc import Sequence

    from assay.build import Build
    from assay.code import OwnCode
    from assay.digests import Digests


class Session:
    """Everything that the builds of one run share."""

    def __init__(self, root: Path, *, reads_only: bool = False) -> None:
        self.root = root
        self.reads_only = reads_only

    @cached_property
    def digests(self) -> "Digests":
        """Give the run's memory of digests."""
        from assay.digests import Digests

        return Digests(self.root / stamp.SHARED, reads_only=self.reads_only)

    @cached_property
    def own_code(self) -> "OwnCode":
        """Give the digests of assay's own code."""
        from assay.code import OwnCode

        return OwnCode(self.digests, self.root / stamp.CODE)

    def builds(self, names: "list[str]", given: "Sequence[tuple[str, str]]" = ()) -> "dict[str, Build]":
        """Read experiments and find or make their workspaces; all faults of all files at once."""
        faults: list[WrongInput] = []
        found = {}
        for name in names:
            try:
                found[name] = self._build(name, given)
            except WrongInputs as several:
                faults += several.faults
            except WrongInput as fault:
                faults.append(fault)
        if faults:
            raise WrongInputs(faults)
        return found

    def _build(self, name: str, given: "Sequence[tuple[str, str]]") -> "Build":
        from assay import workspace
        from assay.build import Build
        from assay.config.overrides import overridden
        from assay.config.spec import read_experiment

        experiment = overridden(read_experiment(self.root, name), given)
        if experiment.workspace:
            self._refuse_sharing(name, experiment.workspace)
        if self.reads_only:
            place = workspace.current(self.root, name, experiment.workspace)
            place = place or workspace.Workspace(self.root, experiment.workspace or f"tmp/{name}-never-built")
        else:
            place = workspace.begin(self.root, name, experiment.workspace)
        return Build(self.root, experiment, self.digests, self.own_code, place)

    def _refuse_sharing(self, name: str, folder: str) -> None:
        """Refuse a workspace that another experiment uses too: each would undo the other's work."""
        from assay.config.spec import read_experiment

        for other in known_experiments(self.root):
            try:
                shared = other != name and read_experiment(self.root, other).workspace == folder
            except WrongInput:
                continue
            if shared:
                where = f"experiments/{name}.yaml"
                raise WrongInput(f"workspace {folder} is {other}'s too", where=where, mend="give each its own")


def find_root(start: Path) -> Path:
    """Find the repository: the nearest folder upwards that has experiments/."""
    for folder in (start, *start.parents):
        if (folder / "experiments").is_dir():
            return folder
    raise WrongInput("no experiments/ here or above", where=os.fspath(start), mend="run assay init")


def known_experiments(root: Path) -> list[str]:
    """Name the experiments of a repository."""
    try:
        names = os.listdir(root / "experiments")
    except OSError:
        return []
    return sorted(n[:-5] for n in names if n.endswith(".yaml") and not n.startswith("."))
