"""Versions on trial: found, laid aside or into an environment of their own, then kept or dropped."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from assay import files
from assay.domain import EnvSpec
from assay.envs import families, fresh, lock, options, overlay, pipconfig, pylock, uv
from assay.envs.faults import Unsolvable
from assay.envs.interpreter import normal
from assay.envs.ladder import UNSOLVABLE, Attempt, Tried
from assay.envs.lock import Lock
from assay.envs.place import Waiting
from assay.envs.resolving import Resolution, resolve
from assay.envs.survey import Survey
from assay.errors import StageFailed, WrongInput

PYLOCK = "pylock.toml"
OVERLAY = "overlay"
OFFERED = ("index-url", "extra-index-url", "find-links", "no-index", "constraint")


class Trial(NamedTuple):
    """Packages that were chosen, where they can be tried."""

    python: Path
    overlay: str  # a folder to be put before what is installed; "" of an environment of its own
    resolution: Resolution
    made: str  # added | new
    wanted: tuple[str, ...]  # what was asked for by name
    environment: str = ""  # its name in tmp/.envs
    ours: bool = True  # whether it was made for this trial, and goes with it
    lock_file: str = PYLOCK

    @property
    def packages(self) -> tuple[str, ...]:
        """List what is added."""
        return tuple(f"{item.name}=={item.version}" for item in self.resolution.items)

    @property
    def dates(self) -> dict[str, str]:
        """Give the day on which each was uploaded, where the index says so."""
        return {normal(item.name): item.uploaded for item in self.resolution.items if item.uploaded}


class Work:
    """Installing for one experiment by uv: into the environment in use, or into one of its own."""

    def __init__(
        self, root: Path, env: EnvSpec, survey: Survey, scratch: Path, log: Path, *, alone: bool, waiting: Waiting
    ) -> None:
        self.root, self.env, self.survey, self.scratch, self.log = root, env, survey, scratch, log
        self.alone, self.waiting = alone, waiting
        self.python = survey.chosen.python
        scratch.mkdir(parents=True, exist_ok=True)
        pip = pipconfig.read(os.environ, self.python.parent.parent)
        self.options = options.arguments(env.index, root, pip if env.index.pip else {}, scratch)
        self.offer = "" if env.index.pip else _offer(pip)

    @property
    def shown(self) -> list[str]:
        """Give the options for a person to type: no passwords, no file of ours."""
        plain = options.without(self.options, ["--excludes", "--exclude-newer"])
        return [pipconfig.bare(word) for word in plain]

    @property
    def wanted(self) -> list[str]:
        """Name what is asked for: what is missing, or for an environment of its own all that is needed."""
        return self.survey.to_install(alone=self.alone)

    def older(self, pins: Sequence[str]) -> list[str]:
        """Name older Pythons that are installed here, the newest first, where only pins are left to try."""
        if not (self.alone and pins):
            return []
        mine = _minor(self.survey.python)
        found = {_minor(version) for version, _ in uv.pythons("", scratch=self.scratch, log=self.log)}
        return [f"{major}.{minor}" for major, minor in sorted(found, reverse=True) if (3, 8) <= (major, minor) < mine]

    def resolve(self, attempt: Attempt) -> Resolution:
        """Find the exact files of an attempt; nothing is installed."""
        held = self.survey.versions
        limits = [pin for pin in attempt.constraints if self.alone or normal(project_of(pin)) not in held]
        keep = [] if self.alone else [f"{name}=={version}" for name, version in held.items() if version]
        found = resolve(
            python=self.interpreter(attempt.python),
            wanted=self.wanted,
            keep=[*keep, *limits],
            cutoff=attempt.cutoff,
            cutoffs=dict(attempt.cutoffs),
            options=self.options,
            scratch=self.scratch,
            log=self.log,
            alone=self.alone,
        )
        families.check(found.items, () if self.alone else [f"{n}-{held[n]}" for n in families.TORCH if n in held])
        return found

    def attempt(self, attempt: Attempt, known: "Resolution | None" = None) -> "Trial | Tried":
        """Have an attempt's packages where they can be tried; or say that no versions fit together."""
        try:
            found = known or self.resolve(attempt)
        except Unsolvable as fault:
            return Tried(attempt, UNSOLVABLE, fault.what)
        if self.alone:
            return self.separate(found, attempt.python)
        folder = self.scratch / OVERLAY
        overlay.overlay(found, self.python, folder, **self._how())
        return Trial(self.python, str(folder), found, lock.ADDED, tuple(self.wanted))

    def separate(self, found: "Resolution", version: str, name: str = "") -> Trial:
        """Make an environment with exactly these packages, or take the one that is there already."""
        minor = ".".join(map(str, _minor(version or self.survey.python)))
        name = name or lock.key(found.lock, minor, self.survey.platform)
        folder = self.root / lock.CACHE / name
        was_there = bool(fresh.complete(folder))
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.cannot_write(folder, error) from error
        own = fresh.sync(found, folder, python=self.interpreter(version), waiting=self.waiting, **self._how())
        return Trial(own, "", found, lock.NEW, tuple(self.wanted), name, ours=not was_there)

    def keep(self, trial: Trial) -> None:
        """Take what was on trial over: into the environment in use, offline; one of its own is there already."""
        if trial.overlay:
            overlay.apply(trial.resolution, self.python, Path(trial.overlay), waiting=self.waiting, **self._how())

    def drop(self, trial: Trial, *, kept: bool) -> None:
        """Remove what was only there to be tried."""
        if trial.overlay:
            shutil.rmtree(trial.overlay, ignore_errors=True)
        elif trial.ours and not kept:
            shutil.rmtree(self.root / lock.CACHE / trial.environment, ignore_errors=True)

    def interpreter(self, version: str) -> Path:
        """Find the interpreter of a version; the one in use when none is named."""
        if not version or _minor(version) == _minor(self.survey.python):
            return self.python
        found = uv.pythons(".".join(map(str, _minor(version))), scratch=self.scratch, log=self.log)
        if not found:
            raise StageFailed(f"Python {version} is not installed here", where="env", mend="install it, or lock anew")
        return found[0][1]

    def _how(self) -> "dict[str, Any]":
        return {
            "options": self.options,
            "build": [normal(name) for name in self.env.index.build],
            "scratch": self.scratch,
            "log": self.log,
        }

    # ------------------------------------------------------------ from a lock
    def from_lock(self, kept: Lock, text: str) -> Trial:
        """Make the environment that a lock describes; a file whose hash is another is refused."""
        if kept.platform != self.survey.platform:
            what = f"was made on {kept.platform}, this is {self.survey.platform}"
            raise WrongInput(what, where="deps.lock", mend="run doit deps here, which makes a lock for this machine")
        if kept.made == lock.NEW and text:
            return self.separate(Resolution(pylock.items(text), text), kept.python, kept.environment)
        whole = resolve(
            python=self.interpreter(kept.python),
            wanted=[f"{name}=={version}" for name, version in kept.packages.items()],
            options=self.options,
            scratch=self.scratch,
            log=self.log,
            alone=True,
        )
        _same(whole, kept, text)
        return self.separate(whole, kept.python)


def locked_text(kept: Lock, folder: Path) -> str:
    """Read the lock beside deps.lock; one that was changed since is refused."""
    for name, digest in kept.files.items():
        try:
            text = (folder / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise WrongInput("cannot be read", where=name, mend="put it back, or run doit deps to lock anew") from None
        if files.text_sha256(text) != digest:
            what = "is not the one that deps.lock was made with"
            raise WrongInput(what, where=name, mend="put it back, or run doit deps")
        return text
    return ""


def sealed(kept: Lock, trial: Trial, env: EnvSpec, root: Path) -> Lock:
    """Write into a lock what was installed, and how; a place of this machine goes by its name."""
    shown = {name: value for name, value in env.index._asdict().items() if value not in ("", (), False)}
    return kept._replace(
        made=trial.made,
        environment=trial.environment,
        wanted=trial.wanted,
        options={n: [_placed(one, root) for one in v] if isinstance(v, tuple) else v for n, v in shown.items()},
        files={trial.lock_file: files.text_sha256(trial.resolution.lock)},
    )


def with_earlier(trial: Trial, text: str, wanted: Sequence[str], there: Mapping[str, str]) -> Trial:
    """Add to a lock what an earlier one added, as far as it is still there."""
    have = {normal(name): version for name, version in there.items()}
    new = {item.name for item in trial.resolution.items}
    old = [i for i in pylock.items(text) if have.get(i.name) == i.version and i.name not in new]
    if not old:
        return trial
    merged = pylock.joined(trial.resolution.lock, pylock.only(text, {item.name for item in old}))
    found = trial.resolution._replace(items=pylock.items(merged), lock=merged)
    return trial._replace(resolution=found, wanted=tuple(sorted({*wanted, *trial.wanted})))


def _placed(place: str, root: Path) -> str:
    if "://" in place or not os.path.isabs(os.path.expanduser(place)):
        return place
    inside = os.path.relpath(os.path.expanduser(place), root)
    return os.path.basename(os.path.normpath(place)) if inside.startswith("..") else inside


def _same(whole: Resolution, kept: Lock, text: str) -> None:
    """Refuse when the index now gives other versions, or other files, than were locked."""
    locked = {normal(name): version for name, version in kept.packages.items()}
    now = {item.name: item.version for item in whole.items}
    other = sorted(name for name in locked.keys() | now.keys() if locked.get(name) != now.get(name))
    if other:
        named = ", ".join(f"{n} {locked.get(n, 'nothing')} is now {now.get(n, 'nothing')}" for n in other[:3])
        raise StageFailed(f"cannot be had again: {named}", where="deps.lock", mend="lock anew if that is meant")
    known, files_now = pylock.hashes(text) if text else {}, pylock.hashes(whole.lock)
    for name in known.keys() & files_now.keys():
        for file, sha256 in files_now[name].items():
            if known[name].get(file) != sha256:
                raise StageFailed(
                    f"{file}: its SHA-256 is {sha256[:12]}…, which is not locked for {name}",
                    where=PYLOCK,
                    mend="the index gives another file than the one that was used; lock anew if that is meant",
                )


def _offer(pip: pipconfig.Settings) -> str:
    """Say what pip is set up to use and uv would not."""
    told = [f"{name} {' '.join(values)}" for name, values in pipconfig.shown(pip).items() if name in OFFERED]
    return f"pip is set up with {'; '.join(told)}, which uv does not read: --pip-config passes it on" if told else ""


def _minor(version: str) -> tuple[int, int]:
    parts = (version.split(".") + ["0", "0"])[:2]
    digits = ["".join(c for c in part if c.isdigit()) or "0" for part in parts]
    return int(digits[0]), int(digits[1])


def project_of(requirement: str) -> str:
    """Cut a requirement to the project that it is for."""
    return re.split(r"[<>=!~;\[ @]", requirement, maxsplit=1)[0]
