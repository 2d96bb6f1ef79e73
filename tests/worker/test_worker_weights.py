"""A checkpoint's numbers handed over as data, and pickles kept from code that nobody trusted."""

import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.files import stat_key
from assay.records import to_json

np = pytest.importorskip("numpy")

DATA = Path(__file__).parents[1] / "data" / "torch"
TRUTH = json.loads((DATA / "truth.json").read_text())
HERE = Path(sys.executable)
BUILD = """
import json

def build(*, weights, device):
    told = {name: [str(a.dtype).replace("torch.", ""), list(a.shape), listed(a)] for name, a in weights.items()}
    print(json.dumps(told))
    return None

def listed(a):
    numbers = a.double() if hasattr(a, "double") else a.astype("float64")
    return [repr(n) if n != n or abs(n) == float("inf") else n for n in numbers.flatten().tolist()]

def infer(model, tensors):
    return {}
"""


def described(workspace: Path, checkpoint: Path) -> Any:
    """Leave the record of a checkpoint where the worker looks for it."""
    record = Examination(checkpoint).record(Digests(), {})
    (workspace / "outputs").mkdir(exist_ok=True)
    (workspace / "outputs/checkpoint.json").write_text(json.dumps(to_json(record)))
    return record


def handed(ask: Any, workspace: Path, name: str, python: Path = HERE, **params: Any) -> Any:
    """Have an adapter print what it was handed."""
    record = described(workspace, DATA / name)
    named = {"name": name, "sha256": record.sha256, "format": record.format.name}
    outcome = ask(BUILD, python=python, checkpoint=named, checkpoint_file=DATA / name, params=params)
    return json.loads(outcome.log.read_text().splitlines()[0]) if outcome.ok else outcome


@pytest.mark.parametrize(
    "name", ["state.pt", "state.pth", "module.pt", "module.pth", "script.pt", "checkpoint.pt", "state.pkl"]
)
def test_weights_come_as_torch_saved_them_without_torch_and_without_pickle(
    ask: Any, workspace: Path, name: str
) -> None:
    found = handed(ask, workspace, name)
    if name == "checkpoint.pt":
        assert set(found) == set(TRUTH["state"])
    else:
        assert found == TRUTH["state"]


def test_of_several_parts_the_one_that_is_named(ask: Any, workspace: Path) -> None:
    outcome = handed(ask, workspace, "ema.pt")
    assert outcome.kind == "adapter-error"
    assert (
        "the checkpoint holds several sets of weights: set params.part to one of ['model', 'model_ema']"
        in outcome.message
    )
    assert handed(ask, workspace, "ema.pt", part="model_ema") == TRUTH["state"]


def test_what_does_not_lie_in_the_file_as_it_is_is_said(ask: Any, workspace: Path, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "packed.npz", w=np.ones(100))
    record = described(workspace, tmp_path / "packed.npz")
    named = {"name": "packed.npz", "sha256": record.sha256, "format": "npz"}
    outcome = ask(BUILD, checkpoint=named, checkpoint_file=tmp_path / "packed.npz", python=HERE)
    assert (outcome.kind, "do not lie in the file as they are" in outcome.message) == ("unsupported", True)
    outcome = handed(ask, workspace, "kinds.pt")
    assert outcome.kind == "unsupported"


def test_what_a_model_writes_into_its_weights_stays_in_its_memory(ask: Any, workspace: Path) -> None:
    before = (DATA / "state.pt").read_bytes()
    record = described(workspace, DATA / "state.pt")
    adapter = (
        'def build(*, weights, device):\n    weights["0.bias"][:] = 7\n    print(weights["0.bias"])\n    return 1\n'
    )
    named = {"name": "state.pt", "sha256": record.sha256, "format": "torch-zip"}
    outcome = ask(
        adapter + "def infer(m, t): return {}\n", python=HERE, checkpoint=named, checkpoint_file=DATA / "state.pt"
    )
    assert outcome.ok and "[7. 7.]" in outcome.log.read_text()
    assert (DATA / "state.pt").read_bytes() == before


# ---------------------------------------------------------------- code that a pickle names
LOAD = """
import pickle, _pickle
LOADS = {"c": _pickle.Unpickler, "python": pickle._Unpickler}

def build(*, checkpoint, device):
    with open(checkpoint, "rb") as file:
        return LOADS[KIND](file).load()

def infer(model, tensors):
    return {}
"""


CACHED = """
from WHO.core import caching


def build(*, checkpoint, device):
    with open(checkpoint, "rb") as file:
        return caching.load(file.read())


def infer(model, tensors):
    return {}
"""


def pickled(folder: Path) -> Path:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps({"when": __import__("fractions").Fraction(1, 2), "path": Path("x")}))
    return path


@pytest.mark.parametrize("who", ["numba", "other"])
def test_what_numba_compiled_itself_is_no_checkpoint(ask: Any, workspace: Path, tmp_path: Path, who: str) -> None:
    package = workspace / "refs" / who
    (package / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py"):
        (package / name).write_text("")
    (package / "core/caching.py").write_text("import pickle\n\ndef load(data):\n    return pickle.loads(data)\n")
    adapter = CACHED.replace("WHO", who)
    outcome = ask(adapter, checkpoint_file=pickled(tmp_path), reachable=[], source_roots=["refs"])
    assert (outcome.ok, outcome.kind) == ((True, "ok") if who == "numba" else (False, "refused")), outcome


@pytest.mark.parametrize("kind", ["c", "python"])
@pytest.mark.parametrize("known", [True, False])
def test_a_name_that_nobody_trusted_is_reached_by_no_unpickler(
    ask: Any, tmp_path: Path, kind: str, known: bool
) -> None:
    names = [("fractions", "Frac\\w+")] * known + [("pathlib", "Path|PosixPath")]
    outcome = ask(LOAD.replace("KIND", repr(kind)), checkpoint_file=pickled(tmp_path), reachable=names)
    if known:
        assert outcome.ok, outcome
    else:
        assert (outcome.kind, outcome.name) == ("refused", "fractions.Fraction")
        assert "fractions.Fraction, which is more than makes tensors, and nobody trusted the file" in outcome.message


# ---------------------------------------------------------------- trust
def test_a_trusted_file_is_hashed_again_right_before_the_load(ask: Any, tmp_path: Path) -> None:
    path = pickled(tmp_path)
    named = {"name": path.name, "sha256": "", "format": "pickle", "trusted": True}
    adapter = "def build(*, checkpoint, device): return 1\ndef infer(m, t): return {}\n"
    status = path.stat()
    key = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    for digest, kind in ((good, "ok"), ("0" * 64, "refused")):
        checkpoint = dict(named, files={path.name: digest})
        outcome = ask(adapter, checkpoint=checkpoint, checkpoint_file=path, examined={path.name: key})
        assert outcome.kind == kind, outcome
    assert outcome.message == "model.pkl has another SHA-256 than the one that was examined"


def test_every_file_of_a_trusted_folder_is_hashed(ask: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    digest = hashlib.sha256(b"b").hexdigest()
    named = {"name": "model", "sha256": "", "format": "huggingface", "trusted": True, "files": {"a.bin": digest}}
    adapter = "def build(*, checkpoint, device): return 1\ndef infer(m, t): return {}\n"
    outcome = ask(adapter, checkpoint=named, checkpoint_file=folder)
    assert (outcome.kind, outcome.message) == ("refused", "a.bin has another SHA-256 than the one that was examined")


def test_a_file_of_a_folder_that_was_changed_is_refused_untrusted_too(ask: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    states = {}
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(b"a")
        states[name] = stat_key(str(folder / name))
    named = {"name": "model", "sha256": "", "format": "huggingface"}
    adapter = "def build(*, checkpoint, device): return 1\ndef infer(m, t): return {}\n"
    assert ask(adapter, checkpoint=named, checkpoint_file=folder, examined=states).ok
    (folder / "b.bin").write_bytes(b"b")
    outcome = ask(adapter, checkpoint=named, checkpoint_file=folder, examined=states)
    assert (outcome.kind, outcome.message) == ("refused", "b.bin was changed after it was examined")
