"""The corpus of bad inputs: every item as its manifest says, nothing run, nothing waited for."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.errors import WrongInput
from assay.examination import Examination

MAKER = Path(__file__).parents[4] / "shared" / "badinputs" / "make_corpus.py"
KINDS = {"pickle", "container", "hfdir", "safetensors", "onnx", "torchscript", "mutation", "file", "name"}
FLAGGED = ("dangerous", "unknown")


def inspected(path: Path) -> tuple[str, bool]:
    """Inspect as `assay inspect` does: (why it is refused, or ""; whether code is told that could run)."""
    try:
        examined = Examination(path)
        content = examined.content
        if not content.damaged:
            examined.record(Digests(), {})
    except WrongInput as fault:
        assert str(fault).isprintable()
        return str(fault), True
    faults = [*filter(None, [examined.misnamed]), *content.damaged, *content.cannot]
    assert all(fault.isprintable() for fault in faults)
    return "; ".join(faults), bool(content.trust) or any(row.verdict in FLAGGED for row in content.code)


def as_it_should(action: str, refused: str) -> bool:
    """Tell whether an item ended as its manifest wants; what is to be inspected may be refused with its cause."""
    return {"accept": not refused, "refuse": bool(refused)}.get(action, True)


@pytest.mark.skipif(not MAKER.is_file(), reason="the corpus of bad inputs is not here")
@pytest.mark.parametrize("seed", [0, 7])
def test_every_item_is_answered_as_its_manifest_says(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, markers = tmp_path / "corpus", tmp_path / "markers"
    markers.mkdir()
    command = [sys.executable, "-W", "ignore", str(MAKER), str(corpus), "--no-git", "--seed", str(seed)]
    subprocess.run([*command, "--mutations", "12"], check=True, capture_output=True)
    monkeypatch.setenv("BADINPUT_MARKER_DIR", str(markers))
    items: list[dict[str, Any]] = json.loads((corpus / "manifest.json").read_text())["items"]
    items = [i for i in items if i["kind"] in KINDS and i["path"]]
    assert len(items) > 350
    wrong, unflagged = [], []
    for item in items:
        start = time.process_time()
        refused, flagged = inspected(corpus / item["path"])
        assert time.process_time() - start < 2.0, item["id"]
        if not as_it_should(item["action"], refused) and not (item["id"] == "file_unreadable" and os.geteuid() == 0):
            wrong.append((item["id"], item["action"], refused))
        if item.get("payload") and item["action"] != "accept" and not flagged:
            unflagged.append(item["id"])
    assert (wrong, unflagged) == ([], [])
    assert not list(markers.iterdir())
    assert not list(corpus.rglob("*.written"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20  # KiB: this process holds onnx too
