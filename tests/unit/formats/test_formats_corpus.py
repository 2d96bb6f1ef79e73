"""The corpus of bad inputs: one clear line each, nothing run, nothing waited for."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay import formats
from assay.errors import WrongInput

MAKER = Path(__file__).parents[4] / "shared" / "badinputs" / "make_corpus.py"
KINDS = {"pickle", "container", "hfdir", "safetensors", "onnx", "torchscript", "mutation", "file", "name"}


@pytest.mark.skipif(not MAKER.is_file(), reason="the corpus of bad inputs is not here")
def test_every_item_is_answered_in_one_line(tmp_path: Path) -> None:
    corpus, markers = tmp_path / "corpus", tmp_path / "markers"
    markers.mkdir()
    command = [sys.executable, "-W", "ignore", str(MAKER), str(corpus), "--no-git", "--mutations", "4"]
    subprocess.run(command, check=True, capture_output=True)
    items = [i for i in json.loads((corpus / "manifest.json").read_text())["items"] if i["kind"] in KINDS and i["path"]]
    assert len(items) > 250
    os.environ["BADINPUT_MARKER_DIR"] = str(markers)
    refused, false_alarms = set(), []
    for item in items:
        start = time.process_time()
        try:
            found = formats.recognise(corpus / item["path"])
            formats.facts(corpus / item["path"], found)
        except WrongInput as fault:
            assert str(fault).isprintable(), item["id"]
            refused.add(item["id"])
            if item["action"] == "accept":
                false_alarms.append(item["id"])
        assert time.process_time() - start < 1.0, item["id"]
    del os.environ["BADINPUT_MARKER_DIR"]
    assert false_alarms == []
    assert not list(markers.iterdir())
    assert not list(corpus.rglob("*.written"))
    assert {"file_fifo", "file_dev_zero", "onnx_ext_traversal", "onnx_deep_if", "hf_index_escape"} <= refused
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20  # KiB: this process holds torch and onnx too
