"""Programs and tensors of torch, run for real: needs an interpreter with torch, named in ASSAY_TORCH_PYTHON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay import bridge, trust
from assay.examination import Examination
from test_worker_weights import DATA, TRUTH, handed

PYTHON = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
MAKER = Path(__file__).parents[3] / "shared" / "badinputs" / "make_corpus.py"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PYTHON.exists(), reason="ASSAY_TORCH_PYTHON names none")]
EXACT = ("bfloat16", "float8", "uint16", "transposed", "row", "same_row", "parameter", "zero", "bad")


def asked(ask: Any, path: Path, form: str, seconds: float = 60.0, **more: Any) -> bridge.Outcome:
    """Have torch run a program on two rows."""
    named = {"name": path.name, "sha256": "", "format": form}
    keys = {"verb": "probe", "python": PYTHON, "checkpoint": named, "checkpoint_file": path, **more}
    found: bridge.Outcome = ask(limits=bridge.Limits(seconds=seconds, memory_mib=4096), **keys)
    return found


def test_tensors_of_every_kind_come_as_torch_saved_them(ask: Any, workspace: Path) -> None:
    from test_worker_weights import described

    described(workspace, DATA / "kinds.pt")
    record = json.loads((workspace / "outputs/checkpoint.json").read_text())
    record["tensors"] = [t for t in record["tensors"] if t["name"] in EXACT]
    (workspace / "outputs/checkpoint.json").write_text(json.dumps(record))
    from test_worker_weights import BUILD

    named = {"name": "kinds.pt", "sha256": record["sha256"], "format": "torch-zip"}
    outcome = ask(BUILD, python=PYTHON, checkpoint=named, checkpoint_file=DATA / "kinds.pt")
    assert outcome.ok, outcome
    assert json.loads(outcome.log.read_text().splitlines()[0]) == {name: TRUTH["kinds"][name] for name in EXACT}


def test_tensors_of_torch_where_torch_is(ask: Any, workspace: Path) -> None:
    assert handed(ask, workspace, "module.pth", PYTHON) == TRUTH["state"]


def test_an_exported_program_is_probed(ask: Any) -> None:
    inputs = [{"name": "x", "dtype": "float32", "shape": ["s77", 2]}]
    outputs = [{"name": "add", "dtype": "float32", "shape": ["s77", 2]}]
    outcome = asked(ask, DATA / "program.pt2", "pt2", inputs=inputs, outputs=outputs)
    assert outcome.value is not None, outcome
    assert (outcome.value["deterministic"], outcome.value["batch"]) == (True, "works")
    assert outcome.value["dims"] == {"x/0": "dynamic", "x/1": "fixed"}


def test_torchscript_is_probed_where_its_shapes_are_given(ask: Any) -> None:
    inputs = [{"name": "input", "dtype": "float32", "shape": ["N", 1, 4, 4]}]
    outputs = [{"name": "output", "dtype": "float32", "shape": ["N", 2]}]
    outcome = asked(ask, DATA / "script.pt", "torchscript", inputs=inputs, outputs=outputs)
    assert outcome.value is not None, outcome
    assert outcome.value["observed"][0]["shape"] == [1, 2]


GUARDED = """
import torch

def build(*, checkpoint, device):
    return torch.load(checkpoint, weights_only=False)

def infer(model, tensors):
    return {}
"""


def test_torch_itself_is_kept_from_names_that_nobody_trusted(ask: Any) -> None:
    for name in ("module.pt", "module.pth"):
        known = trust.reachable(Examination(DATA / name).quick(), "")
        outcome = asked(ask, DATA / name, "torch-zip", verb="infer", adapter=GUARDED, reachable=known)
        assert outcome.kind == "refused" and outcome.name.startswith("torch.nn.modules."), outcome
        assert asked(ask, DATA / name, "torch-zip", verb="infer", adapter=GUARDED, reachable=None).ok
    for name in ("state.pt", "state.pth"):
        assert asked(ask, DATA / name, "torch-zip", verb="infer", adapter=GUARDED, reachable=known).ok


# what the corpus's programs must come to when they are trusted, and run shut in
ENDS = {
    "ok": "ok", "forward_writes": "ok|upstream-error", "load_writes": "upstream-error|ok", "load_hangs": "timeout",
    "load_oom": "out-of-memory|upstream-error", "bad_code": "upstream-error", "bad_code2": "upstream-error",
    "deep_code": "upstream-error|killed", "no_constants": "upstream-error", "version_999": "upstream-error",
    "py_pickle": "upstream-error", "forward_hangs": "timeout",
}  # fmt: skip


@pytest.mark.skipif(not MAKER.exists(), reason="the corpus of bad inputs is not here")
def test_hostile_programs_end_as_they_should(ask: Any, tmp_path: Path, workspace: Path) -> None:
    corpus = tmp_path / "corpus"
    command = [sys.executable, "-W", "ignore", str(MAKER), str(corpus), "--no-git", "--mutations", "0"]
    subprocess.run(command, check=True, capture_output=True)
    inputs = [{"name": "x", "dtype": "float32", "shape": [2, 2]}]
    for name, kinds in ENDS.items():
        path = corpus / f"torchscript/{name}.pt"
        outcome = asked(
            ask, path, "torchscript", 20.0, inputs=inputs, outputs=[{"name": "y", "dtype": "", "shape": None}]
        )
        assert outcome.kind in kinds.split("|"), (name, outcome)
        assert not [p for p in (*corpus.rglob("*.written"), *workspace.rglob("*.written"))], name
