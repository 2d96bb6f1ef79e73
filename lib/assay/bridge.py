"""The only door to the worker: hand over a request, sleep, and say in what way it ended."""

import json
import os
import shutil
import signal
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay import canonical, layout, proc
from assay.files import StatKey
from assay.isolation import Isolation, best

SOURCE = Path(__file__).parent / "worker"
OUTSIDE = ("boot.py", "confine.py")  # loaded by their place, not as part of a package
PROTOCOL = 1
OK = "ok"
MAX_ANSWER, MOST_LISTS = 64 * 1024 * 1024, 1_000_000  # bytes; lists and tables in them
PROCESSES = 512
STATUS_KINDS = ("timeout", "memory-limit", "process-limit", "log-limit", "stopped")
KINDS = (
    "missing-package",
    "out-of-memory",
    "refused",
    "adapter-error",
    "upstream-error",
    "unsupported",
    "worker-error",
)
stop_all = proc.stop_all


@dataclass(frozen=True)
class Limits:
    """What a worker may use before it is ended."""

    seconds: float | None = 600.0
    memory_mib: int | None = None
    log_mib: int = 64
    file_mib: int = 4096  # the largest single file it may write
    slack: float = 10.0  # seconds after which the supervisor itself is given up


@dataclass(frozen=True)
class Outcome:
    """How a request ended; `value` is there when kind is "ok"."""

    value: dict[str, Any] | None
    kind: str
    message: str
    where: str
    log: Path
    read: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()  # full paths; never written down as such
    packages: tuple[str, ...] = ()  # imported distributions, as "numpy-2.4.6"
    versions: dict[str, str] = field(default_factory=dict)
    peak_mib: int | None = None
    cpu_seconds: float = 0.0  # of the worker and all that it started
    name: str = ""  # the package, when one is missing
    warnings: tuple[str, ...] = ()
    isolation: str = ""  # what was in force, as the worker says
    lacking: tuple[str, ...] = ()  # what the kernel could not keep from the model's code

    @property
    def ok(self) -> bool:
        """Tell whether the worker answered with a value."""
        return self.value is not None


def run(
    *,
    python: Path,
    workspace: Path,
    request: dict[str, Any],
    request_file: str,
    out: Path,
    log: Path,
    checkpoint: Path | None = None,
    examined: dict[str, StatKey] | None = None,
    limits: Limits = Limits(),
    isolation: Isolation | None = None,
    network: bool = False,
    readable: Sequence[Path] = (),
) -> Outcome:
    """Have the model's interpreter answer one request.

    `examined` says in which state the checkpoint's files were; `readable` is what it may see besides the usual.
    """
    workspace, out, log = workspace.resolve(), out.resolve(), log.resolve()
    install_worker(workspace)
    _write_if_other(workspace / request_file, canonical.dumps(request).encode())
    scratch, end = out / ".worker", out.with_name(f"{out.name}.end")  # the latter out of the worker's reach
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    answer = scratch / "answer.json"
    boot = f"{layout.WORKER}/boot.py"
    # The interpreter is not resolved: the link in a venv is what makes it that venv's.
    command: list[str | Path] = [python.absolute(), "-I", boot, request_file, answer, "--out", out]
    command += ["--checkpoint", checkpoint.absolute()] if checkpoint else []
    environment = _environment(scratch, request, limits, network) | {"ASSAY_END": str(end)}
    if examined:  # one line of the environment is too short for a folder of thousands
        states = scratch / "examined.json"
        states.write_text(json.dumps(examined))
        environment["ASSAY_EXAMINED"] = str(states)
    environment |= _isolated(isolation or best(), network, readable)
    seconds = None if limits.seconds is None else limits.seconds + limits.slack
    try:
        ended = proc.run(command, cwd=workspace, log=log, environment=environment, seconds=seconds)
        strange, said = _removed(out), _end_of(end)
        return _with(_outcome(ended, said, answer, log, limits), said, strange)
    except FileNotFoundError:
        return _failed("no-answer", f"there is no interpreter at {python}", log)
    except PermissionError:
        return _failed("no-answer", f"{python} may not be run", log)
    finally:
        _cut(log, limits.log_mib)
        shutil.rmtree(scratch, ignore_errors=True)
        end.unlink(missing_ok=True)


def install_worker(workspace: Path) -> list[str]:
    """Copy the worker's files into a workspace, those that differ; return their names."""
    target = workspace / layout.WORKER
    written = [name for name, content in worker_files() if _write_if_other(target / name, content)]
    known = {name for name, _ in worker_files()}
    for path in sorted((target / "assay_worker").rglob("*.py")):
        if path.relative_to(target).as_posix() not in known:
            path.unlink()
    return written


def worker_files() -> Iterator[tuple[str, bytes]]:
    """List the files that make up the worker, with their bytes."""
    for name in OUTSIDE:
        yield name, (SOURCE / name).read_bytes()
    for path in sorted((SOURCE / "assay_worker").glob("*.py")):
        yield f"assay_worker/{path.name}", path.read_bytes()
    yield "assay_worker/canonical.py", Path(canonical.__file__).read_bytes()


def explain(outcome: Outcome) -> str:
    """Say in one plain sentence how a request ended; where it happened stands in the outcome."""
    if outcome.kind == "missing-package":
        return f"{outcome.name or 'a package'} is missing in the model's environment"
    starts = {
        OK: "the worker answered",
        "out-of-memory": f"memory ran out: {outcome.message}",
        "refused": f"the worker refused: {outcome.message}",
        "adapter-error": f"the adapter failed: {outcome.message}",
        "upstream-error": f"upstream's code or the model's runtime failed: {outcome.message}",
        "worker-error": f"a bug of assay in the worker: {outcome.message}",
    }
    return starts.get(outcome.kind, outcome.message)


def tail(outcome: Outcome, lines: int = 20) -> str:
    """Return the last lines of what the worker printed."""
    try:
        with outcome.log.open("rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - 64 * 1024))
            text = f.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


# ---------------------------------------------------------------- before
def _environment(home: Path, request: dict[str, Any], limits: Limits, network: bool) -> dict[str, str]:
    asked = {
        "ASSAY_SECONDS": limits.seconds,
        "ASSAY_MEMORY_MIB": limits.memory_mib,
        "ASSAY_LOG_MIB": limits.log_mib,
        "ASSAY_FILE_MIB": limits.file_mib,
        "ASSAY_PROCESSES": PROCESSES,
        "ASSAY_INTERVAL": 1.0 if request.get("verb") == "measure" else None,
        "ASSAY_PARENT": os.getpid(),
    }
    environment = proc.clean_environment(os.environ, home=home, network=network)
    return environment | {name: str(value) for name, value in asked.items() if value is not None}


def _isolated(isolation: Isolation, network: bool, readable: Sequence[Path]) -> dict[str, str]:
    """Say in the environment how the worker is shut in: a request is the same on every machine."""
    asked = {"ASSAY_ISOLATION": isolation.level, "ASSAY_READABLE": json.dumps([str(p.absolute()) for p in readable])}
    asked |= {"ASSAY_BUBBLEWRAP": isolation.program} if isolation.program else {}
    return asked | ({"ASSAY_NETWORK": "1"} if network else {})


def _write_if_other(path: Path, content: bytes) -> bool:
    """Write a file aside and rename it, unless it has these bytes already."""
    try:
        if path.read_bytes() == content:
            return False
    except OSError:
        path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    aside.write_bytes(content)
    aside.replace(path)
    return True


# ---------------------------------------------------------------- after
def _outcome(ended: proc.Ended, end: dict[str, Any], answer: Path, log: Path, limits: Limits) -> Outcome:
    peak = end.get("peak_mib")
    if ended.overdue or end.get("end") in STATUS_KINDS:
        kind = "timeout" if ended.overdue else end["end"]
        return _failed(kind, _limit_passed(kind, limits), log, peak=peak)
    if not end:
        kind = "stopped" if ended.stopped else "killed" if ended.code < 0 else "no-answer"
        return _failed(kind, _disk_full(log, kind) or _supervisor_lost(kind, ended.code), log)
    if answer.exists() or answer.is_symlink():
        level, lacking = str(end.get("isolation", "")), tuple(str(part) for part in end.get("lacking", ()))
        return replace(_answered(answer, log, peak), isolation=level, lacking=lacking)
    if end.get("end") == "signal":
        return _failed("killed", f"the worker was killed by {_signal_name(end['code'])}", log, peak=peak)
    message = f"the worker ended with exit code {end.get('code')} and left no answer"
    if end.get("end") == "unstarted":
        message = f"bubblewrap did not start the worker (exit code {end.get('code')})"
    return _failed("no-answer", _disk_full(log, "no-answer") or message, log, peak=peak)


def _with(outcome: Outcome, end: dict[str, Any], strange: list[str]) -> Outcome:
    """Add to an outcome what was used, and what was found that is no file."""
    told = [f"the model's code left {name}, which is no file; it was removed" for name in strange]
    return replace(outcome, warnings=(*outcome.warnings, *told), cpu_seconds=float(end.get("cpu_seconds") or 0.0))


def _end_of(path: Path) -> dict[str, Any]:
    """Read how the supervisor saw it end; {} when it was killed itself."""
    try:
        end = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return end if isinstance(end, dict) else {}


def _removed(out: Path) -> list[str]:
    """Remove links and the like from a worker's folder: whoever writes there next would follow them elsewhere."""
    found = []
    for folder, folders, names in os.walk(out):
        for path in (os.path.join(folder, name) for name in sorted(folders + names)):
            try:
                kind = stat.S_IFMT(os.lstat(path).st_mode)
            except OSError:  # nested too deep for a path: not what any verb leaves
                shutil.rmtree(os.path.join(out, os.path.relpath(path, out).split(os.sep)[0]), ignore_errors=True)
                break
            if kind not in (stat.S_IFDIR, stat.S_IFREG):
                os.unlink(path)
                found.append(os.path.relpath(path, out))
        folders[:] = [name for name in folders if name != ".worker"]  # goes as a whole
    return found


def _answered(answer: Path, log: Path, peak: int | None) -> Outcome:
    try:
        if answer.is_symlink() or not answer.is_file() or answer.stat().st_size > MAX_ANSWER:
            raise ValueError("it is not a plain file of a sensible size")
        text = answer.read_text(encoding="utf-8")
        if text.count("[") + text.count("{") > MOST_LISTS:
            raise ValueError(f"it holds more than {MOST_LISTS} lists and tables")
        content = canonical.loads(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(content, ensure_ascii=False).encode()  # half a character could be written into no record
        return _checked(content, log, peak)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return _failed("bad-answer", f"the worker's answer cannot be used: {error}", log, peak=peak)


def _checked(content: Any, log: Path, peak: int | None) -> Outcome:
    """Turn an answer into an outcome; raise when it is not of the protocol."""
    if not isinstance(content, dict) or content.get("protocol") != PROTOCOL:
        raise ValueError(f"it is not of protocol {PROTOCOL}")
    value, error = content.get("ok"), content.get("error")
    if (value is None) == (error is None) or not isinstance(value if error is None else error, dict):
        raise ValueError("it holds neither a value nor an error, or both")
    if error is not None and error["kind"] not in KINDS:
        raise ValueError(f"it names an unknown kind of error, {error['kind']!r}")
    error = error or {"kind": OK, "message": ""}
    return Outcome(
        value=value,
        kind=error["kind"],
        message=" ".join(str(error["message"]).split()),
        where=str(error.get("where", "")),
        name=str(error.get("name", "")),
        log=log,
        read=tuple(str(p) for p in content.get("read", ())),
        outside=tuple(str(p) for p in content.get("outside", ())),
        packages=tuple(str(p) for p in content.get("packages", ())),
        versions={str(k): str(v) for k, v in content.get("versions", {}).items()},
        warnings=tuple(str(w) for w in content.get("warnings", ())),
        peak_mib=peak,
    )


def _failed(kind: str, message: str, log: Path, *, peak: int | None = None) -> Outcome:
    return Outcome(value=None, kind=kind, message=message, where="", log=log, peak_mib=peak)


def _limit_passed(kind: str, limits: Limits) -> str:
    return {
        "timeout": f"the worker was ended after {limits.seconds} s without an answer",
        "memory-limit": f"the worker was ended because it used more than {limits.memory_mib} MiB of memory",
        "process-limit": f"the worker was ended because it started more than {PROCESSES} processes",
        "log-limit": f"the worker was ended because it printed more than {limits.log_mib} MiB",
        "stopped": "the worker was stopped on request",
    }[kind]


def _disk_full(log: Path, kind: str) -> str:
    """Say so where a worker left no answer and not one block is free: what else it tells follows from that."""
    try:
        full = kind == "no-answer" and os.statvfs(log.parent).f_bavail == 0
    except OSError:
        return ""
    return "the disk is full: free some space and run again" if full else ""


def _supervisor_lost(kind: str, code: int) -> str:
    if kind == "stopped":
        return _limit_passed("stopped", Limits())
    if kind == "killed":
        return f"the process that watches the worker was killed by {_signal_name(-code)}"
    return f"the model's interpreter did not start the worker (exit code {code})"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _cut(log: Path, limit_mib: int) -> None:
    """Keep a log within its limit; say that it was cut."""
    try:
        if log.stat().st_size > limit_mib * 1024 * 1024:
            os.truncate(log, limit_mib * 1024 * 1024)
            with log.open("ab") as f:
                f.write(b"\n[cut here: the limit of the log was reached]\n")
    except FileNotFoundError:
        return
