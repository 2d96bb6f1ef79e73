"""The one place that runs subprocesses: own session, clean environment, output to a file, a blocking wait."""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# which devices are seen and which kernels a numeric library picks: they decide answers and timings
TUNING = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
)
ALLOWED = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    *TUNING,
    "CUDA_HOME",
    "CUDA_PATH",
)
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "YOLO_OFFLINE": "true",
}
QUIET = {  # with a network too
    "WANDB_MODE": "offline",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "MPLBACKEND": "Agg",
    # a model's code installs nothing
    "PIP_NO_INDEX": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
}
MARK = "ASSAY_RUN"  # every process below carries it, so that strays are found by it
_live: dict[int, "Running"] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or minus the number of the signal that killed it."""

    code: int
    overdue: bool  # it had to be killed because its time was over
    stopped: bool  # stop_all() asked for it


class Running:
    """A process that was started here and not yet collected."""

    def __init__(self, process: "subprocess.Popen[bytes]", mark: str) -> None:
        self.process, self.mark = process, mark
        self.stopped = self.overdue = False

    def stop(self) -> None:
        """Ask it to end."""
        self.stopped = True
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it and whatever carries its mark."""
        self._send(signal.SIGKILL)
        sweep(self.mark)

    def expire(self) -> None:
        """End it because its time is over."""
        self.overdue = True
        self.kill()

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


def tuning(source: Mapping[str, str]) -> dict[str, str]:
    """Name the settings of the environment that decide what a worker computes, and how fast."""
    return {name: source[name] for name in TUNING if name in source}


def clean_environment(source: Mapping[str, str], *, home: Path, network: bool = False) -> dict[str, str]:
    """Keep what a program needs to run and nothing that could be a secret; say when there is no network."""
    kept = {name: value for name, value in source.items() if name in ALLOWED or name.startswith("LC_")}
    places = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)}
    return {**kept, **({} if network else OFFLINE), **QUIET, **places}


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    environment: Mapping[str, str],
    seconds: float | None = None,
    grace: float = 3.0,
) -> Ended:
    """Run a command and sleep until it ends; nothing it started carries on after `seconds` or after an interrupt."""
    mark = secrets.token_hex(8)
    with _logfile(log) as out:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    running = Running(process, mark)
    with _guard:
        _live[process.pid] = running
    try:
        return _wait(running, seconds)
    except BaseException:
        _end_now(running, grace)
        raise
    finally:
        with _guard:
            _live.pop(process.pid, None)


def stop_all() -> None:
    """Ask every running process to end; their run() calls return soon after."""
    with _guard:
        running = list(_live.values())
    for one in running:
        one.stop()


def sweep(mark: str, seconds: float = 2.0) -> None:
    """Kill every process that carries a mark in its environment, until none is seen."""
    deadline = time.monotonic() + seconds
    needle = f"{MARK}={mark}".encode()
    while time.monotonic() < deadline:
        pids = [pid for pid in _pids() if needle in _environ(pid)]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _wait(running: Running, seconds: float | None) -> Ended:
    """Sleep in the kernel; a thread that sleeps too ends a process that is overdue."""
    timer = threading.Timer(seconds, running.expire) if seconds is not None else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        code = running.process.wait()
    finally:
        if timer:
            timer.cancel()
    if running.overdue or code < 0:  # nobody stood over what it started
        sweep(running.mark)
    return Ended(code, running.overdue, running.stopped)


def _end_now(running: Running, grace: float) -> None:
    """Ask it to end, wait for so long as is decent, then kill it."""
    running.stop()
    try:
        running.process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        running.kill()
        running.process.wait()
    sweep(running.mark)


@contextlib.contextmanager
def _logfile(path: Path) -> Iterator[int]:
    """Open a log for appending at its end, so that it can be cut while it is written to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []


def _environ(pid: int) -> bytes:
    """Read a process's environment; a zombie has none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return f.read()
    except OSError:
        return b""
