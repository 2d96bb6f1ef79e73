"""What was found out before anything is decided: what the model needs, what its interpreter has, whether it serves."""

from collections.abc import Mapping
from typing import NamedTuple

from assay.envs.interpreter import Chosen
from assay.envs.ladder import Tried
from assay.envs.needs import GROUPS, REQUIRED, Need, Wishes, missing
from assay.records import Status


class Survey(NamedTuple):
    """One experiment's needs beside what is there."""

    chosen: Chosen
    python: str  # 3.11.7
    implementation: str
    platform: str
    status: Status  # whether the model can be built at all
    wishes: Wishes
    needs: tuple[Need, ...]
    versions: Mapping[str, str]  # installed, by normal name
    optional: bool  # whether what the model can do without is wanted too
    proof: "Tried | None" = None  # of what is installed, when nothing is missing

    @property
    def missing(self) -> list[Need]:
        """List what has to be installed first."""
        return missing(self.needs, optional=self.optional)

    @property
    def unknown(self) -> list[Need]:
        """List the imports for which no package is known."""
        return [need for need in self.missing if not need.known]

    def asked_for(self, *, alone: bool) -> list[Need]:
        """List what is asked for: what is missing, or for an environment of its own all that is needed."""
        groups = GROUPS if self.optional else REQUIRED
        wide = [need for need in self.needs if need.group in groups]
        return [need for need in (wide if alone else self.missing) if need.known]

    def to_install(self, *, alone: bool) -> list[str]:
        """Name what is asked for."""
        return [need.name for need in self.asked_for(alone=alone)]

    @property
    def serves(self) -> bool:
        """Tell whether the model runs in what is installed."""
        return not self.missing and (self.proof is None or self.proof.outcome == "ok")

    @property
    def place(self) -> str:
        """Name the environment in a few words."""
        return f"{self.chosen.manager}, Python {self.python}"


class Decision(NamedTuple):
    """What a person, or the experiment's file, decided for an experiment that misses something."""

    choice: str  # add | new | locked | stop
    optional: bool = False
    lock: str = ""  # the versions that were shown, as a lock
    why: str = ""  # of stop: what to say
