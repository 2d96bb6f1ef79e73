"""A tiny repository whose model lacks packages, an environment to run it in, and an index that sells them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tiny
import wheels

UV = str(tiny.BIN / "uv")
STUBS = {  # what the tiny model's code imports, in bytes instead of megabytes: enough for deps, not to run it
    "onnxruntime": ("1.32.0", {"onnxruntime/__init__.py": "VERSION = 1\n"}),
    "numpy": ("2.4.6", {"numpy/__init__.py": "float32 = 1\n"}),
    "pillow": ("13.0.0", {f"PIL/{name}.py": "" for name in ("__init__", "Image", "ImageDraw")}),
}
REAL = ("numpy", "numpy.libs", "numpy-*", "onnxruntime", "onnxruntime-*", "PIL", "pillow*")
HEAVY = shutil.ignore_patterns("tests", "*.pyi", "__pycache__", "tools", "transformers", "quantization")
SLOW = 20.0  # seconds for anything on the terminal


def adapter(*modules: str) -> str:
    """Give the tiny model's adapter, importing these as well; the first stands in its line 4."""
    lines = "".join(f"import {module}\n" for module in modules)
    return tiny.ADAPTER.replace("import numpy as np\n", f"import numpy as np\n{lines}")


def make_environment(folder: Path, *, real: bool = False) -> None:
    """Make an environment without pip that holds what the tiny model needs, in stubs or as it is installed here."""
    command = [UV, "venv", "--no-project", "--quiet", "--python", sys.executable, str(folder)]
    subprocess.run(command, check=True, timeout=tiny.HANG)
    site = site_of(folder)
    if real:
        here = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
        for path in [path for pattern in REAL for path in here.glob(pattern)]:
            shutil.copytree(path, site / path.name, ignore=HEAVY, dirs_exist_ok=True)
        return
    for name, (version, files) in STUBS.items():
        made = wheels.wheel(folder / ".wheels", name, version, files=files)
        shutil.unpack_archive(made, site, "zip")
    shutil.rmtree(folder / ".wheels")


def site_of(folder: Path) -> Path:
    """Find an environment's site-packages."""
    return next(folder.glob("lib/python3*/site-packages"))


def digest(folder: Path, *but: str) -> str:
    """Digest every name, mode, link and byte below a folder; uv's own lock and Python's caches do not count."""
    rows = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).as_posix()
        if inner == ".lock" or "__pycache__" in inner or inner.startswith(but or ("\0",)):
            continue
        told = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        content = hashlib.sha256(told.encode() if isinstance(told, str) else told).hexdigest()
        rows.append(f"{inner} {path.lstat().st_mode} {content}")
    return "\n".join(rows)


class Shop:
    """One test's repository, environment and index."""

    def __init__(self, root: Path, repo: Path, index: wheels.Index) -> None:
        self.root, self.repo, self.index = root, repo, index
        self.env = repo / "env"
        self.surroundings = {
            "HOME": str(root / "home"), "UV_CACHE_DIR": str(root / "cache"), "UV_HTTP_RETRIES": "0", "CI": "",
            "VIRTUAL_ENV": "", "CONDA_PREFIX": "",
            "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")),
        }  # fmt: skip
        (root / "home").mkdir(exist_ok=True)

    # ------------------------------------------------------------ setting up
    def sell(self, name: str, version: str, uploaded: str = "", **how: Any) -> Path:
        """Put a wheel on the index."""
        made = wheels.wheel(self.index.folder, name, version, **how)
        if uploaded:
            self.index.uploaded[made.name] = f"{uploaded}T00:00:00Z"
        return made

    def sell_stubs(self) -> None:
        """Put what the tiny model runs with on the index too: a new environment takes all of it from there."""
        for name, (version, files) in STUBS.items():
            self.sell(name, version, files=files)

    def experiment(self, name: str, *modules: str, env: str = "", more: str = "") -> None:
        """Write an experiment with a recipe of its own, whose adapter imports these modules."""
        folder = self.repo / "recipes" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(tiny.RECIPE)
        (folder / "adapter.py").write_text(adapter(*modules))
        text = tiny.EXPERIMENT.replace("recipe: tiny", f"recipe: {name}")
        python = "" if "python:" in env else "python: env/bin/python, "
        line = f"env: {{{python}index: {{url: '{self.index.url}'}}{', ' if env else ''}{env}}}\n"
        (self.repo / f"experiments/{name}.yaml").write_text(text + line + more)

    def declare(self, *names: str) -> None:
        """Have upstream declare packages."""
        (self.repo / "upstream/requirements.txt").write_text("".join(f"{name}\n" for name in ("numpy", *names)))

    # ------------------------------------------------------------ running
    def doit(self, *args: str, **env: str) -> tiny.Done:
        """Run doit."""
        return tiny.doit(self.repo, *args, **{**self.surroundings, **env})

    def assay(self, *args: str, **env: str) -> tiny.Done:
        """Run assay."""
        return tiny.tool(self.repo, *args, **{**self.surroundings, **env})

    def start(self, *args: str, **env: str) -> subprocess.Popen[bytes]:
        """Start doit and go on."""
        return tiny.start(self.repo, *args, **{**self.surroundings, **env})

    def sit(self, *args: str, **env: str) -> Seat:
        """Run doit on a terminal."""
        return Seat([str(tiny.BIN / "doit"), *args], self.repo, tiny.environment(**{**self.surroundings, **env}))

    def uv(self, *words: str) -> str:
        """Change the environment behind assay's back, as a person would."""
        done = subprocess.run(
            [UV, *words], env={**os.environ, **self.surroundings, "UV_DEFAULT_INDEX": self.index.url},
            capture_output=True, text=True, timeout=tiny.HANG, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    # ------------------------------------------------------------ looking
    def freeze(self, folder: Path | None = None) -> list[str]:
        """Name what an environment holds, by an eye other than assay's."""
        return self.uv("pip", "freeze", "--python", str((folder or self.env) / "bin/python")).splitlines()

    def record(self, name: str = "environment", experiment: str = "tiny") -> dict[str, Any]:
        """Read one of outputs/."""
        return dict(json.loads((tiny.workspace(self.repo, experiment) / f"outputs/{name}.json").read_text()))

    def lock(self, experiment: str = "tiny") -> dict[str, Any]:
        """Read deps.lock."""
        return dict(json.loads((tiny.workspace(self.repo, experiment) / "deps.lock").read_text()))

    def made(self) -> list[str]:
        """Name what lies in tmp/.envs."""
        folder = self.repo / "tmp/.envs"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    @contextlib.contextmanager
    def unchanged(self, folder: Path | None = None) -> Any:
        """Prove that an environment is byte for byte what it was, and that nothing was made beside it."""
        folder = folder or self.env
        before, frozen, made = digest(folder), self.freeze(folder), self.made()
        yield
        assert digest(folder) == before
        assert self.freeze(folder) == frozen
        assert self.made() == made


def plans(done: tiny.Done) -> dict[str, Any]:
    """Read the plan that is printed where nobody could be asked."""
    text = done.out[done.out.index("{") :]
    return dict(json.JSONDecoder().raw_decode(text)[0]["plans"])


def one_line(done: tiny.Done, code: int, *said: str) -> str:
    """Hold a failure to what it may say: one line with its reason, no traceback."""
    told = [line for line in done.err.splitlines() if line.startswith("assay: ")]
    assert (done.code, len(told)) == (code, 1), done.text
    assert "Traceback" not in done.text and "a bug of assay" not in done.text, done.text
    for text in said:
        assert text in told[0], told[0]
    return told[0]


class Seat:
    """A person at a terminal: sees what is written, types, waits."""

    def __init__(self, command: list[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._here, there = pty.openpty()
        self.text = ""

        def sit_down() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, cwd=cwd, env={**env, "TERM": "xterm"}, stdin=there, stdout=there, stderr=there,
            start_new_session=True, preexec_fn=sit_down,
        )  # fmt: skip
        os.close(there)
        os.set_blocking(self._here, False)
        tiny._started.append(self.process)  # ended with the test, whatever happens

    def see(self, wanted: str, count: int = 1) -> Seat:
        """Wait until a text has been shown so many times."""
        until = time.monotonic() + SLOW
        while self.text.count(wanted) < count:
            assert time.monotonic() < until, f"never shown: {wanted!r} in {self.text!r}"
            if not self._read() and self.process.poll() is not None and not self._read():
                raise AssertionError(f"ended without {wanted!r}: {self.text!r}")
            time.sleep(0.01)
        return self

    def type(self, keys: str) -> Seat:
        """Press keys: "\\x03" is Ctrl-C, "\\x04" Ctrl-D."""
        os.write(self._here, keys.encode())
        return self

    def end(self) -> tiny.Done:
        """Wait for the program; all it has shown is in `out`."""
        until = time.monotonic() + SLOW
        while self.process.poll() is None:
            assert time.monotonic() < until, f"does not end: {self.text!r}"
            self._read()
            time.sleep(0.01)
        while self._read():
            pass
        os.close(self._here)
        return tiny.Done(self.process.returncode, self.text.replace("\r\n", "\n"), "")

    def _read(self) -> bool:
        try:
            data = os.read(self._here, 65536)
        except OSError:  # nothing there, or the other side is gone
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C: every program of the group hears it."""
    os.killpg(process.pid, signal.SIGINT)


