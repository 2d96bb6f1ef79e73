"""Packages on trial in a pixi workspace: pixi chooses and installs, and what does not serve is taken back."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from assay import files
from assay.domain import EnvSpec
from assay.envs import ladder, lock, pixi, pixi_lock, pixi_manifest, pixi_plan
from assay.envs.interpreter import normal
from assay.envs.ladder import Attempt, Tried
from assay.envs.lock import Lock
from assay.envs.pylock import Item
from assay.envs.resolving import Resolution
from assay.envs.survey import Survey
from assay.envs.trial import Trial, project_of
from assay.errors import NeedsAnswer, StageFailed, WrongInput

LOCK = "pixi.lock"


class PixiWork:
    """Installing for one experiment by pixi: into the default environment, or into one of its own."""

    def __init__(
        self, root: Path, env: EnvSpec, survey: Survey, log: Path, *, alone: bool, name: str,
        waiting: Callable[[str], None],
    ) -> None:  # fmt: skip
        found = pixi_manifest.manifest(root, root)
        if found is None:
            raise WrongInput("no pixi manifest is here", where="env.manager", mend="set it to venv")
        self.manifest, self.env, self.survey = found, env, survey
        self.alone, self.waiting, self.root = alone, waiting, root
        self.name = environment_of(name) if alone else "default"
        self.call = pixi.Call(pixi.needed(os.environ, found), os.environ, log)
        self._before: pixi.States = []
        self._after: pixi.States = []

    @property
    def wanted(self) -> list[str]:
        """Name what is asked for."""
        return self.survey.to_install(alone=self.alone)

    def older(self, pins: Sequence[str]) -> list[str]:
        """Name no older Pythons: pixi brings whichever is asked for by env.python in the manifest."""
        return []

    def plan(self, constraints: Sequence[str] = ()) -> pixi_plan.Plan:
        """Plan what pixi is told."""
        limits = {normal(project_of(one)): one for one in constraints}
        specs = tuple(limits.get(normal(name), name) for name in self.wanted)
        python = ".".join(self.survey.python.split(".")[:2])
        answer = pixi_plan.NEW if self.alone else pixi_plan.ADD
        wish = pixi_plan.Wanted(answer, specs, self.name, python if self.alone else "", self.env.index, self.root)
        return pixi_plan.commands(wish, pixi_manifest.read(self.manifest))

    def attempt(self, attempt: Attempt, _known: "Resolution | None" = None) -> "Trial | Tried":
        """Have pixi install an attempt's packages; or say that it could not."""
        if attempt.cutoff or attempt.cutoffs:
            return Tried(attempt, ladder.UNSOLVABLE, "pixi's workspace is not taken back in time")
        plan = self.plan(attempt.constraints)
        held = self._held()
        self._before = self._state()
        try:
            done = pixi.apply(plan, self.call, self.waiting)
        except StageFailed as fault:
            return Tried(attempt, ladder.UNSOLVABLE, fault.what)
        text = self._files()[1].read_text("utf-8", "replace") if self._files()[1].exists() else ""
        made = lock.NEW if self.alone else lock.ADDED
        where = f"{lock.PIXI}{self.name}"
        items = tuple(Item(n, v, None, "", "", "", "") for n, v in sorted(self._held() - held))
        self._after = self._state()
        found = Resolution(items, text, done.limits)
        return Trial(self._python(), "", found, made, tuple(self.wanted), where, lock_file=LOCK)

    def keep(self, trial: Trial) -> None:
        """Leave what serves as it is."""

    def drop(self, trial: Trial, *, kept: bool) -> None:
        """Take back what does not serve: manifest and lock byte for byte, then the packages."""
        if kept:
            return
        if self._state() != self._after:
            what = "was changed by somebody else while packages were on trial: what did not serve is still in it"
            raise StageFailed(what, where=str(self.manifest), mend="take it out by `pixi remove --pypi`")
        pixi.put_back(self._before)
        if not self.alone:
            pixi.restore(self.manifest, self.name, self.call)

    def from_lock(self, kept: Lock, text: str) -> Trial:
        """Have pixi make an environment from its lock; another lock than the one that was used is refused."""
        path = self._files()[1]
        if not path.is_file() or files.text_sha256(path.read_text("utf-8", "replace")) != kept.files.get(LOCK):
            raise WrongInput(
                "is not the one that deps.lock was made with", where=str(path), mend="put it back, or run doit deps"
            )
        self.name = kept.environment.removeprefix(lock.PIXI)
        pixi_lock.lock_facts(path, self.name)  # refused where it is locked for other machines only
        pixi.carry_out(pixi_plan.locked(self.manifest, self.name), self.manifest, self.call)
        return Trial(
            self._python(), "", Resolution((), text, ()), kept.made, kept.wanted, kept.environment, lock_file=LOCK
        )

    def _held(self) -> "set[tuple[str, str]]":
        try:
            return {(p.name, p.version) for p in pixi.installed(self.manifest, self.name)}
        except NeedsAnswer:
            return set()  # not made yet

    def _state(self) -> pixi.States:
        return pixi.states(*self._files())

    def _python(self) -> Path:
        return pixi.prefix(self.manifest, self.name, self.call) / "bin" / "python"

    def _files(self) -> tuple[Path, Path]:
        real = Path(os.path.realpath(self.manifest))
        return real, real.with_name(LOCK)


def environment_of(experiment: str) -> str:
    """Name a pixi environment after an experiment, in the letters that pixi allows."""
    return "assay-" + "".join(c if c.isalnum() else "-" for c in experiment.lower()).strip("-")
