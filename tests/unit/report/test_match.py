"""Why a format does not run here, format by format."""

import pytest

from assay.formats.kinds import KINDS
from assay.stages.deps import _match

WEIGHTS = ("torch-zip", "torch-legacy", "safetensors", "huggingface", "npz", "npy")


@pytest.mark.parametrize("form", KINDS)
def test_every_format_has_its_own_reason(form: str) -> None:
    status = _match(form)
    assert (status.word == "done") == (form == "onnx") and form in status.reason
    if form in WEIGHTS:
        assert status.reason == f"{form}: weights without a graph: the class they belong to is not looked for yet"
    elif form != "onnx":
        assert status.reason == f"{form} does not run in this version" and "ONNX export" in status.question
