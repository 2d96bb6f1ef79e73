"""From what is wanted to the exact files: what has to be added to an environment, or all of a new one."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from assay.envs import interpreter, pylock, uv
from assay.envs import options as opts
from assay.envs.faults import Unsolvable
from assay.envs.interpreter import normal
from assay.envs.pylock import Item
from assay.errors import StageFailed, WrongInput

TRIES = 12  # each learns of one more package without a date, or of one that is there as source only


class Resolution(NamedTuple):
    """The exact files to install."""

    items: tuple[Item, ...]
    lock: str  # pylock.toml as it is stored
    notes: tuple[str, ...] = ()


class _Asked(NamedTuple):
    python: Path
    wanted: tuple[str, ...]
    keep: tuple[str, ...]
    options: tuple[str, ...]
    scratch: Path
    log: Path
    alone: bool


def resolve(
    *,
    python: Path,
    wanted: Sequence[str],
    keep: Sequence[str] = (),
    cutoff: str = "",
    cutoffs: Mapping[str, str] = {},
    options: Sequence[str] = (),
    scratch: Path,
    log: Path,
    alone: bool = False,
) -> Resolution:
    """Find what to add to an environment, where nothing is replaced, or with `alone` all of a new one."""
    scratch.mkdir(parents=True, exist_ok=True)
    _check(wanted)
    if cutoff:
        options = [*opts.without(options, ["--exclude-newer"]), "--exclude-newer", _moment(cutoff)]
    for name, date in cutoffs.items():
        options = [*options, "--exclude-newer-package", f"{normal(name)}={_moment(date)}"]
    asked = _Asked(python, tuple(wanted), tuple(keep), tuple(options), scratch, log, alone)
    return _learning(asked, dated=bool(cutoff or cutoffs))


def _learning(asked: _Asked, dated: bool) -> Resolution:
    """Build a package only when no wheel of it fits; pass over the cool-down only where a source gives no dates."""
    may_build = {value for value in opts.values(asked.options, "--no-binary")}
    plain = opts.without(asked.options, ["--no-binary"])
    build: list[str] = []
    undated: list[str] = []
    for _ in range(TRIES):
        known = [word for name in build for word in ("--no-binary", name)]
        known += [word for name in undated for word in ("--exclude-newer-package", f"{name}=false")]
        now = asked._replace(options=(*plain, *known))
        try:
            text, said = _compiled(now, []) if asked.alone else _additions(now)
            failed = None
        except Unsolvable as error:
            failed, said = error, error.text
        if new := _new(_without_date(said), undated):
            if dated:
                raise _no_dates(new) from failed
            undated += new
            continue
        if failed is None:
            return Resolution(pylock.items(text), text, _notes(build, undated))
        if not (new := _new([normal(n) for n in failed.sources if normal(n) in may_build], build)):
            raise failed
        build += new
    raise StageFailed("gives no answer that stands", where="uv", mend="look at the log")


def _additions(asked: _Asked) -> tuple[str, str]:
    """Ask what would be installed; then lock just that, since what is there may be on no index."""
    words: list[str | Path] = ["pip", "install", "--dry-run", "--output-format", "json", "--python", asked.python]
    with _as_it_was(interpreter.prefix_of(asked.python) / ".lock"):
        said = uv.call([*words, *_files(asked)], scratch=asked.scratch, log=asked.log, options=asked.options)
    changes = _changes(said.output)
    lost = {name: version for name, version, action in changes if action != "installed"}
    added = {name: version for name, version, action in changes if action == "installed"}
    for name, version in lost.items():
        what = f"{name} {version} would be replaced by {added.get(name, 'nothing')}"
        raise Unsolvable(what, where=str(asked.python), mend="take a new environment")
    if not added:
        return pylock.EMPTY, said.messages
    direct = {normal(re.split(r"[\s@\[;]", one, maxsplit=1)[0]): one for one in asked.wanted if "@" in one}
    pins = [direct.get(name, f"{name}=={version}") for name, version in added.items()]
    text, more = _compiled(asked._replace(wanted=tuple(pins), keep=()), ["--no-deps"])
    return text, said.messages + more


@contextmanager
def _as_it_was(lock: Path) -> Iterator[None]:
    """Remove what uv leaves in an environment that it only looked at; who changes one holds a lock of ours."""
    there = lock.exists()
    try:
        yield
    finally:
        if not there:
            with suppress(OSError):
                lock.unlink(missing_ok=True)


def _compiled(asked: _Asked, more: Sequence[str]) -> tuple[str, str]:
    target = asked.scratch / "pylock.found.toml"
    target.unlink(missing_ok=True)  # uv would prefer the versions in it
    files = _files(asked)
    source: list[str | Path] = ["pip", "compile", files[1], *files[2:], *more]
    source += ["--no-header", "--format", "pylock.toml", "-o", target, "--python", asked.python]
    said = uv.call(source, scratch=asked.scratch, log=asked.log, options=asked.options)
    return pylock.portable(target.read_text("utf-8")), said.messages


def _files(asked: _Asked) -> list[str | Path]:
    """Write what is wanted and what is kept; names on a command line could be taken for options."""
    wanted, keep = asked.scratch / "wanted.txt", asked.scratch / "keep.txt"
    wanted.write_text("".join(f"{one}\n" for one in asked.wanted), "utf-8")
    keep.write_text("".join(f"{one}\n" for one in asked.keep), "utf-8")
    return ["-r", wanted, *(("--constraints", keep) if asked.keep else ())]


def _changes(output: str) -> list[tuple[str, str, str]]:
    try:
        changes = json.loads(output)["changes"]
        return [(normal(one["name"]), str(one.get("version", "")), str(one["action"])) for one in changes]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StageFailed("its plan cannot be read", where="uv", mend="install uv 0.13 or later") from None


def _check(wanted: Sequence[str]) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    for one in wanted:
        try:
            Requirement(one)
        except InvalidRequirement:
            raise WrongInput(f"{one!r} is no requirement", mend="write it as name>=version") from None


def _moment(date: str) -> str:
    """Take the whole of a day, whatever the time zone here."""
    return f"{date}T23:59:59Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", date) else date


def _without_date(text: str) -> list[str]:
    named = re.findall(r"`([^`]+)` is missing an upload date", text)
    return [normal(_project(name)) for name in named]


def _project(file: str) -> str:
    return (
        file.partition("-")[0] if file.endswith(".whl") else re.sub(r"\.(tar\.\w+|zip)$", "", file).rpartition("-")[0]
    )


def _new(names: Sequence[str], known: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name not in known]


def _no_dates(names: Sequence[str]) -> StageFailed:
    return StageFailed(
        f"the index gives no upload dates for {', '.join(names)}, so there is no going back in time",
        where="env.index",
        mend="pin the version that is meant",
    )


def _notes(build: Sequence[str], undated: Sequence[str]) -> tuple[str, ...]:
    notes = [f"{name} is built from source: its code runs" for name in build]
    notes += [f"the index gives no upload date for {name}: taken without the cool-down" for name in undated]
    return tuple(notes)
