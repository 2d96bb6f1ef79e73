"""Whether a checkpoint may be loaded for a run, format by format: as data, on trust, or not at all."""

import re
from typing import Any

import pytest

from assay import records, trust
from assay.errors import WrongInput
from assay.formats import FORMATS
from report_cases import SHA, checkpoint

SHA256 = SHA["checkpoint"]


def of(form: str, **more: Any) -> records.Checkpoint:
    needs = {"to_trust": SHA256} if "trust" in more else {}
    return checkpoint(format=records.Format(name=form, by="content", carries=FORMATS[form].CARRIES), **needs, **more)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_its_own_reason(form: str) -> None:
    status, carries = trust.gate(of(form), "", [], takes_file=False), FORMATS[form].CARRIES
    assert (status.word == "done") == (carries in trust.RUNS) and form in status.reason
    if carries in trust.WEIGHTS:
        without = "weights without a graph, and no code that makes the model they belong to"
        assert status.reason == f"{form}: {without}"
        hoped = trust.gate(of(form), "", [], takes_file=False, hoped=True)
        assert (hoped.word, hoped.reason) == ("done", "upstream's code is there to make the model")
    elif carries not in trust.RUNS:
        assert status.reason == f"{form} does not run in this version" and "ONNX export" in status.question


TRICKED = records.Named(name="(a trick)", verdict="dangerous", why="it calls what it has computed")
CODE = records.Named(name="vdsr.Net", verdict="unknown", why="not known")
# format, what stands against it, trusted, what the recipe gives, whether its build opens the file -> may it run
CASES = [
    ("onnx", {}, False, [], False, True),
    ("onnx", {"cannot": ["operator a::B needs a library of its own"]}, False, [], False, False),
    ("torchscript", {"trust": ["a program"]}, False, [], False, False),
    ("torchscript", {"trust": ["a program"]}, True, [], False, True),
    ("torchscript", {"trust": ["a program"]}, False, ["build"], True, False),
    ("torchscript", {"trust": ["a program"]}, False, ["build"], False, True),
    ("pt2", {"trust": ["a program"]}, False, [], False, False),
    ("tensorrt", {"trust": ["a program"]}, False, ["build"], True, False),
    ("torch-zip", {}, False, [], False, False),
    ("torch-zip", {}, False, ["build"], True, True),
    ("torch-zip", {"trust": ["names vdsr.Net"], "code": [CODE]}, False, ["build"], True, True),  # the guard watches
    ("torch-zip", {"trust": ["a trick"], "code": [TRICKED]}, False, ["build"], True, False),
    ("torch-zip", {"trust": ["a trick"], "code": [TRICKED]}, False, ["build"], False, True),
    ("torch-zip", {"cannot": ["compressed"]}, False, ["build"], True, False),
    ("huggingface", {"trust": ["auto_map"]}, False, ["build"], True, False),
    ("huggingface", {"trust": ["auto_map"]}, False, ["build"], False, True),
    ("keras", {"trust": ["a Lambda layer"]}, False, ["build"], True, False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{sorted(case[1])}-{case[2:]}")
def test_what_may_run(case: Any) -> None:
    form, against, trusted, supplied, takes_file, runs = case
    status = trust.gate(of(form, **against), SHA256 if trusted else "", supplied, takes_file)
    assert (status.word == "done") == runs
    if not runs and "trust" in against:
        assert f"trust: {SHA256}" in status.question


NAMES = {
    ("torch._utils", "_rebuild_tensor_v2"): True,
    ("numpy._core.multiarray", "_reconstruct"): False,
    ("argparse", "Namespace"): True,
    ("torch.nn.modules.conv", "Conv2d"): False,
    ("torch.storage", "_load_from_bytes"): False,
    ("builtins", "dict"): False,
    ("vdsr", "Net"): False,
    ("os", "system"): False,
    ("torch._tensor", "torch.os.system"): False,  # as torch renames torch.tensor
    ("argparse", "Namespace.os"): False,
    ("torch", "load"): False,
    ("builtins", "eval"): False,
    ("pathlib", "os.system"): False,
}


def test_code_that_nobody_trusted_is_kept_from_every_unpickler() -> None:
    found = of("torch-zip", code=[CODE], trust=["names vdsr.Net"])
    assert trust.reachable(found, SHA256) is None
    patterns = trust.reachable(found, "") or []
    reached = [g for g in NAMES if any(re.fullmatch(m, g[0]) and re.fullmatch(n, g[1]) for m, n in patterns)]
    assert reached == [g for g, known in NAMES.items() if known]


def test_a_trust_in_another_file_is_refused() -> None:
    with pytest.raises(WrongInput, match=r"trust names aaaaaaaaaaaa…, the checkpoint is .*…; look at it"):
        trust.check(of("pickle", trust=["names vdsr.Net"]), "a" * 64, "experiments/x.yaml")
