"""A small repository of its own for every test, and the real programs run in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import assay

LIB = Path(assay.__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
WORKER = "PYTEST_XDIST_WORKER"  # each has the machine to itself, as far as locks go: no test waits for another
HANG = 60  # seconds: no single command on the tiny model comes near

DODO = "from assay.door import members\n\nglobals().update(members(__file__))\n"
PYPROJECT = '[tool.doit.plugins.command]\nlist = "assay.engines.doit_list:List"\n'
EXPERIMENT = """\
model: {name: tiny, checkpoint: weights/tiny.onnx, task: classification}
source: {path: upstream}
recipe: tiny
device: cpu
inputs: {find: [refs], count: 4, labels: labels/tiny.json}
params: {bias: 0.0, gain: 1.0}
measure: {batch: [1], threads: [1], precision: [fp32], seconds: 0.05}
targets: {accuracy: ">= 0.5"}
sandbox: plain
"""
RECIPE = "model: {task: classification}\nparams: {gain: 1.0, bias: 0.0}\n"
ADAPTER = '''\
"""How the tiny model is used."""

import numpy as np
from PIL import Image, ImageDraw
from scale import to_unit


def _softmax(logits):
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def preprocess(path, *, gain=1.0):
    """Return the grey picture, 4 x 4."""
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L").resize((4, 4)), dtype=np.float32)
    return {"image": to_unit(grey)[None, None] * np.float32(gain)}, {}


def postprocess(outputs, ctx, *, bias=0.0):
    """Return the likelier word."""
    from names import NAMES

    chances = _softmax(outputs["logits"][0].astype(np.float64) + [0.0, bias])
    best = int(chances.argmax())
    return {"label": NAMES[best], "score": round(float(chances[best]), 6)}


def draw(path, result):
    """Return the picture with its word."""
    with Image.open(path) as image:
        page = image.convert("RGB").resize((32, 32))
    ImageDraw.Draw(page).text((1, 1), result["label"], fill="red")
    return page
'''
UPSTREAM = {
    "scale.py": '"""Pixels to numbers."""\n\nFULL = 255.0\n\n\ndef to_unit(grey):\n    return grey / FULL\n',
    "names.py": 'NAMES = ["dark", "bright"]\n',
    "unused.py": "def never():\n    return 1\n",
    "requirements.txt": "numpy\n",
    "LICENSE": "MIT License\n\nCopyright (c) 2026 Tiny\n",
}
GREYS = {"a.png": 10, "b.png": 60, "c.png": 200, "d.png": 250}


class Done(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Give both streams."""
        return self.out + self.err


def make_repo(root: Path, *names: str, **parts: str) -> Path:
    """Make a repository with one recipe, one upstream and an experiment for each name (tiny when none is given)."""
    for folder in ("experiments", "recipes/tiny", "weights", "labels", "upstream/data"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "dodo.py").write_text(DODO)
    (root / "pyproject.toml").write_text(PYPROJECT)
    for name in names or ("tiny",):
        (root / f"experiments/{name}.yaml").write_text(parts.get("experiment", EXPERIMENT))
    (root / "recipes/tiny/recipe.yaml").write_text(RECIPE)
    (root / "recipes/tiny/adapter.py").write_text(parts.get("adapter", ADAPTER))
    for name, text in UPSTREAM.items():
        (root / "upstream" / name).write_text(text)
    make_pictures(root / "upstream/data")
    truth = {name: ("bright" if grey > 127 else "dark") for name, grey in GREYS.items()}
    (root / "labels/tiny.json").write_text(json.dumps({"classes": ["dark", "bright"], "images": truth}))
    make_model(root / "weights/tiny.onnx")
    return root


def make_pictures(folder: Path) -> None:
    """Draw one plain picture for each grey."""
    from PIL import Image

    for name, grey in GREYS.items():
        Image.new("L", (8, 8), grey).save(folder / name)


def make_model(path: Path, weight: float = 0.5) -> None:
    """Write an ONNX model: the brighter the picture, the larger the second logit."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.stack([np.full(16, -weight), np.full(16, weight)], axis=1).astype(np.float32)
    bias = np.array([8 * weight, -8 * weight], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


def add_experiment(repo: Path, name: str, text: str = EXPERIMENT) -> None:
    """Write one more experiment file."""
    (repo / f"experiments/{name}.yaml").write_text(text)


def copy_repo(built: Path, to: Path) -> Path:
    """Copy a repository with all that was built in it."""
    shutil.copytree(built, to, symlinks=True, dirs_exist_ok=True)
    return to


# ---------------------------------------------------------------- running
def compile_all() -> None:
    """Write the bytecode of assay, and what it remembers of its own files; the programs below write none."""
    code = "from assay import plan; from assay.code import OwnCode; from assay.digests import Digests as D; o = OwnCode(D(), None)"
    code += "; [(o.of(f'assay.stages.{s.name}'), [o.worker(v) for v in s.worker.split()]) for s in plan.STAGES if not s.not_yet]"
    env = {k: v for k, v in environment().items() if k != "PYTHONDONTWRITEBYTECODE"}
    for command in (["-m", "compileall", "-q", str(LIB)], ["-c", f"{code}; o.save()"]):
        subprocess.run([sys.executable, *command], env=env, check=True)


def environment(**more: str) -> dict[str, str]:
    """Give a plain environment in which the code under test is found."""
    lean = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY", "PYTEST", "COV_"))}
    alone = {"ASSAY_MACHINE_LOCK": str(Path(tempfile.gettempdir()) / f"assay-test-{os.environ.get(WORKER, 'one')}.lock")}
    return {**lean, **alone, "PYTHONPATH": str(LIB), "PYTHONDONTWRITEBYTECODE": "1", **more}


def doit(repo: Path, *args: str, cwd: Path | None = None, **env: str) -> Done:
    """Run doit in a repository."""
    return _run([str(BIN / "doit"), *args], cwd or repo, env)


def tool(repo: Path, *args: str, cwd: Path | None = None, **env: str) -> Done:
    """Run assay in a repository."""
    return _run([str(BIN / "assay"), *args], cwd or repo, env)


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> Done:
    done = subprocess.run(
        command, cwd=cwd, env=environment(**env), stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG, check=False
    )
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def start(repo: Path, *args: str, **env: str) -> subprocess.Popen[bytes]:
    """Start doit as the leader of its own group, as a shell would."""
    process = subprocess.Popen(
        [str(BIN / "doit"), *args], cwd=repo, env=environment(**env), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    _started.append(process)
    return process


_started: list[subprocess.Popen[bytes]] = []


def end_all() -> None:
    """End what a failed test left running, so that no other test waits for it."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            kill_tree(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def ended(process: subprocess.Popen[bytes]) -> Done:
    """Collect a started program."""
    out, err = process.communicate(timeout=HANG)
    return Done(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


# ---------------------------------------------------------------- looking
def workspace(repo: Path, name: str = "tiny") -> Path:
    """Find the workspace in use."""
    return repo / (repo / f"tmp/.current/{name}").read_text().strip()


def journal(repo: Path, name: str = "tiny") -> list[dict[str, Any]]:
    """Read the whole lines of a journal; junk is passed over."""
    found = []
    try:
        data = (workspace(repo, name) / "journal.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    for line in data.split(b"\n")[:-1]:
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            continue
        found += [read] if isinstance(read, dict) and isinstance(read.get("stage"), str) else []
    return found


def built(repo: Path, name: str = "tiny", *words: str) -> list[str]:
    """Build an experiment, which has to succeed; name the stages that ran."""
    done = doit(repo, *(words or ("report",)), f"exp={name}", "--json")
    assert done.code == 0, done.text
    return list(json.loads(done.out)["experiments"][name]["built"])


def status(repo: Path, name: str = "tiny") -> dict[str, str]:
    """Ask `why` for the state of every stage."""
    done = doit(repo, "why", f"exp={name}", "--json")
    assert done.code == 0, done.text
    return {stage: seen["status"] for stage, seen in json.loads(done.out)[name]["stages"].items()}


def to_run(repo: Path, name: str = "tiny") -> set[str]:
    """Name the stages that `why` says would run, without those that only may."""
    return {stage for stage, word in status(repo, name).items() if word in ("stale", "never", "failed")}


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that is there."""
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new))


def wait_for(true: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := true():
            return found
        time.sleep(0.002)
    raise AssertionError(f"never came: {what}")


# ---------------------------------------------------------------- processes
def strays(folder: Path) -> list[int]:
    """List the processes that work in a folder or name it in their command line."""
    found, name = [], os.fsencode(str(folder))
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            state = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0]
            line = Path(f"/proc/{entry}/cmdline").read_bytes()
            where = os.fsencode(os.readlink(f"/proc/{entry}/cwd"))
        except OSError:
            continue
        if state != "Z" and (name in line or where.startswith(name)):
            found.append(int(entry))
    return found


def left_behind(folder: Path, seconds: float = 2.0) -> list[int]:
    """Wait so long for a folder's processes to go; list those that stay."""
    until = time.monotonic() + seconds
    while (left := strays(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and everything below it at once, as a crash of the machine would."""
    for pid in [process.pid, *below(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.communicate(timeout=HANG)


def below(pid: int) -> list[int]:
    """List the descendants of a process."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry))
    found, ahead = [], [pid]
    while ahead:
        children = parents.get(ahead.pop(), [])
        found += children
        ahead += children
    return found
