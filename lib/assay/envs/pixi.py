"""Drive pixi by its command line: run a plan so that a failure changes nothing, and read what is there.

Answers are read as pixi 0.77.0 writes them: docs/reference/cli/pixi/{info,list}.md; docs/pixi.md says more.
"""

import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from assay import files, proc
from assay.envs import pixi_manifest
from assay.envs.pixi_plan import PRINT, Command, Plan, commands
from assay.errors import NeedsAnswer, StageFailed, WrongInput

INSTALL = "install it (https://pixi.sh/latest/installation/) and run again, or set env.manager to venv"
# they would make pixi answer for another project, or do less than its command line says
DROPPED = re.compile(
    r"PIXI_(?:PROJECT_\w+|ENVIRONMENT_\w+|IN_SHELL|EXE|FROZEN|LOCKED|NO_INSTALL)\Z|PYTHON(?:PATH|HOME)\Z"
)
QUERY_SECONDS = 120.0
States = list[tuple[Path, "bytes | None", int]]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ERROR = re.compile(r"(?:Error:)?\s*[×├╰][─▶]*\s|error: ")  # as miette draws it, or clap
WRAPPED = re.compile(r"\s+│ |\s{6,}\S")
URL = re.compile(r"\w+://[^\s'\"<>)]+")


class Package(NamedTuple):
    """A package that an environment holds."""

    name: str
    version: str
    kind: str  # conda | pypi


class Call(NamedTuple):
    """How pixi is run."""

    binary: Path
    environment: Mapping[str, str]
    log: Path
    seconds: "float | None" = None


def binary(environ: Mapping[str, str]) -> "Path | None":
    """Find pixi without starting it."""
    found = shutil.which("pixi", path=environ.get("PATH", ""))
    if found:
        return Path(found)
    homes = [environ.get("PIXI_HOME", ""), os.path.join(environ.get("HOME", ""), ".pixi") if "HOME" in environ else ""]
    for home in filter(None, homes):
        path = Path(home).expanduser() / "bin" / "pixi"
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def needed(environ: Mapping[str, str], manifest: Path) -> Path:
    """Find pixi, or say that a person has to install it."""
    found = binary(environ)
    if found is None:
        raise NeedsAnswer("pixi project, pixi not on PATH", where=str(manifest), mend=INSTALL)
    return found


def surroundings(environ: Mapping[str, str]) -> "dict[str, str]":
    """Give pixi its own settings, and none of a shell that another pixi environment is active in."""
    return {name: value for name, value in environ.items() if not DROPPED.match(name)}


def apply(plan: Plan, call: Call, waiting: "Callable[[str], None] | None" = None) -> Plan:
    """Carry a plan out; whatever stops it, manifest and lock are as before. Gives the plan as it was carried out."""
    if plan.wanted.answer == PRINT:
        raise WrongInput("the answer was print: nothing is run", where="env.on_missing", mend="answer add or new")
    manifest = Path(os.path.realpath(plan.manifest))
    with files.lock(manifest.parent / ".pixi" / "assay.lock", waiting=waiting):
        call.log.unlink(missing_ok=True)
        _ask_about(manifest, call)
        plan = commands(plan.wanted, pixi_manifest.read(plan.manifest))  # another experiment may have been here
        with _kept(manifest, manifest.with_name("pixi.lock")):
            if plan.edits:
                _edit(manifest, plan)
            for command in plan.commands:
                _run(command, manifest, call)
    return plan


def installed(manifest: Path, environment: str, call: "Call | None" = None) -> "tuple[Package, ...]":
    """List an environment's packages: by pixi where it is, else by the environment's own files; changes nothing."""
    if call is None:
        return _of_files(prefix(manifest, environment))
    words = ("list", "--json", "-e", environment, "--frozen", "--no-install", "--manifest-path", str(manifest))
    listed = _query(words, manifest, call)
    try:
        return tuple(sorted(Package(p["name"], p["version"] or "", p["kind"]) for p in listed))
    except (KeyError, TypeError):
        raise StageFailed("pixi list: not the JSON that is documented", where=str(manifest), mend=INSTALL) from None


def prefix(manifest: Path, environment: str, call: "Call | None" = None) -> Path:
    """Give an environment's folder; only pixi knows about `detached-environments`, where no link leads there."""
    usual = manifest.parent / ".pixi" / "envs" / environment
    if call is None or usual.is_dir():
        return usual
    for one in _ask_about(manifest, call).get("environments_info") or []:
        if one.get("name") == environment and one.get("prefix"):
            return Path(one["prefix"])
    return usual


def carry_out(command: Command, manifest: Path, call: Call) -> None:
    """Run one command that changes neither manifest nor lock."""
    with files.lock(manifest.parent / ".pixi" / "assay.lock"):
        call.log.unlink(missing_ok=True)
        _run(command, manifest, call)


def restore(manifest: Path, environment: str, call: Call) -> None:
    """Bring an environment back to what manifest and lock say."""
    carry_out(("pixi", "install", "-e", environment, "--manifest-path", str(manifest)), manifest, call)


@contextmanager
def _kept(*paths: Path) -> Iterator[None]:
    """Put files back as they were, when what is done to them fails or is broken off."""
    before = states(*paths)
    try:
        yield
    except BaseException:
        put_back(before)
        raise


def states(*paths: Path) -> "States":
    """Take down what files hold, and their modes."""
    return [
        (path, path.read_bytes(), path.stat().st_mode & 0o7777) if path.exists() else (path, None, 0) for path in paths
    ]


def put_back(before: "States") -> None:
    """Give files the content and mode that they had."""
    for path, content, mode in before:
        if content is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_bytes() != content or path.stat().st_mode & 0o7777 != mode:
            files.write(path, content)
            path.chmod(mode)


def _edit(manifest: Path, plan: Plan) -> None:
    mode = manifest.stat().st_mode & 0o7777
    files.write(manifest, pixi_manifest.edited(manifest.read_bytes().decode(), plan.edits, plan.manifest))
    manifest.chmod(mode)


def _run(command: Command, manifest: Path, call: Call) -> None:
    """Run one command; its output goes to the log when it ends, under the command's own line."""
    part = call.log.with_name(f"{call.log.name}.part")
    try:
        ended = _start(command[1:], manifest, call._replace(log=part))
        why = reason(part)
    finally:
        with open(call.log, "ab") as log:
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.write(part.read_bytes() if part.exists() else b"")
        part.unlink(missing_ok=True)
    if ended.code == 0 and not ended.overdue:
        return
    verb = " ".join(takewhile(lambda word: not word.startswith("-"), command[:4]))
    why = f"was ended after {call.seconds:g} s" if ended.overdue else why or f"exit code {ended.code}"
    what = f"{verb}: {why}; {manifest.name} and pixi.lock are as before"
    raise StageFailed(what, where=str(manifest), mend=f"see {call.log}")


def _start(words: "Sequence[str]", manifest: Path, call: Call) -> proc.Ended:
    return proc.run(
        [call.binary, *words],
        cwd=manifest.parent,
        log=call.log,
        environment=surroundings(call.environment),
        seconds=call.seconds,
    )


def reason(log: Path) -> str:
    """Take pixi's own reason from a log: its error and the cause at the root of it; without credentials."""
    marked: list[str] = []
    other = ""
    for line in ESCAPES.sub("", log.read_text("utf-8", "replace") if log.exists() else "").splitlines():
        found = ERROR.match(line)
        if found:
            marked.append(line[found.end() :].strip())
        elif marked and WRAPPED.match(line):
            marked[-1] += " " + line.strip(" │")
        other = line.strip() or other
    said = [marked[0], *marked[1:][-1:]] if marked else [other]
    return ": ".join(URL.sub(lambda url: pixi_manifest.shown(url[0]), one) for one in said if one)[:300]


def _ask_about(manifest: Path, call: Call) -> "dict[str, Any]":
    """Ask pixi about a workspace; on PyPI another program goes by its name."""
    told = _query(("info", "--json", "--manifest-path", str(manifest)), manifest, call)
    if not isinstance(told, dict) or "environments_info" not in told:
        raise NeedsAnswer("is not prefix.dev's pixi", where=str(call.binary), mend=INSTALL)
    return told


def _query(words: Command, manifest: Path, call: Call) -> Any:
    with tempfile.TemporaryDirectory(prefix="assay-pixi-") as folder:
        log = Path(folder, "log")
        ended = _start(words, manifest, call._replace(log=log, seconds=QUERY_SECONDS))
        if ended.code or ended.overdue:
            why = reason(log) or f"exit code {ended.code}"
            raise StageFailed(f"pixi {words[0]}: {why}", where=str(manifest), mend="mend that and run again")
        found = _json(log.read_text("utf-8", "replace"))
    if found is None:
        raise NeedsAnswer("is not prefix.dev's pixi: no JSON in its answer", where=str(call.binary), mend=INSTALL)
    return found


def _json(text: str) -> Any:
    """Find the JSON among warnings, which share the log with it."""
    for found in re.finditer(r"^[\[{]", text, re.MULTILINE):
        try:
            return json.JSONDecoder().raw_decode(text, found.start())[0]
        except ValueError:
            continue
    return None


def _of_files(folder: Path) -> "tuple[Package, ...]":
    from packaging.utils import canonicalize_name

    from assay.envs import interpreter

    if not (folder / "conda-meta").is_dir():
        raise NeedsAnswer("the environment is not made yet", where=str(folder), mend="run `pixi install`")
    found: dict[str, Package] = {}
    for entry in interpreter.facts(folder / "bin" / "python").packages:
        name, _, version = entry.partition("-")
        found[canonicalize_name(name)] = Package(str(canonicalize_name(name)), version, "pypi")
    for path in sorted((folder / "conda-meta").glob("*.json")):
        try:
            record = json.loads(path.read_bytes())
            name, version = str(record["name"]), str(record["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # one broken record hides one package
        found[canonicalize_name(name)] = Package(name, version, "conda")
    return tuple(sorted(found.values()))
