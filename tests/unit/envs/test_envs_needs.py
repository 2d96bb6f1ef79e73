"""What a model needs: the format's runner, what the adapter imports, what upstream's files import; each with its reason."""

from assay.envs import needs
from assay.records import Source
from assay.upstream import importing

ADAPTER = """
import os, sys, json
import numpy as np
from PIL import Image
from . import helper
import cv2, yaml
from sklearn.metrics import f1_score
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import pandas
try:
    import numba
except ImportError:
    numba = None
try:
    import scipy
except ImportError as error:
    raise SystemExit(1) from error

def preprocess(path):
    import soundfile
    from google.protobuf import text_format
    import lookalike_cv
"""


def source(**files: str) -> Source:
    """Record a small tree, its files given by name."""
    from assay.records import Module
    from assay.upstream import entrypoints

    paths = {f"up/{name.replace('__', '/')}.py": text for name, text in files.items()}
    modules = [Module(path=path, imports=importing.read(text)[0]) for path, text in paths.items()]
    seen = {path: entrypoints.marks(text) for path, text in paths.items()}
    return Source(
        files=len(files), by_suffix={}, python_files=list(paths), documents=[], requirements=[], unreadable=[],
        modules=modules, entrypoints=entrypoints.rank(modules, seen, ()),
    )  # fmt: skip


def found(form: str, carries: str, adapter: str | None = None, tree: Source | None = None, **have: str) -> list[needs.Need]:
    """Name what is needed, given what is installed."""
    imports = None if adapter is None else importing.read(adapter)[0]
    wishes = needs.wishes(form, carries, imports, tree or source(), ())
    versions = {name.replace("_", "-"): version for name, version in have.items()}
    return needs.needs(wishes, provided={}, present={}, versions=versions, source=tree or source(), chosen={})


def rows(listed: list[needs.Need]) -> list[tuple[str, str, str]]:
    return [(need.name, need.why, need.group) for need in listed]


def test_what_onnx_needs() -> None:
    assert rows(found("onnx", "graph")) == [
        ("numpy", "runs onnx", "runtime"),
        ("onnxruntime", "runs onnx", "runtime"),
    ]
    assert "onnxruntime-gpu" in {need.name for need in found("onnx", "graph", onnxruntime_gpu="1.20.0")}


def test_what_an_adapter_imports() -> None:
    assert rows(found("onnx", "graph", ADAPTER))[2:] == [
        ("?lookalike_cv", "adapter.py:23 imports lookalike_cv", "model"),
        ("opencv-python", "adapter.py:6 imports cv2", "model"),
        ("pillow", "adapter.py:4 imports PIL", "model"),
        ("protobuf", "adapter.py:22 imports google.protobuf", "model"),
        ("PyYAML", "adapter.py:6 imports yaml", "model"),
        ("scikit-learn", "adapter.py:7 imports sklearn.metrics", "model"),
        ("scipy", "adapter.py:16 imports scipy", "model"),
        ("soundfile", "adapter.py:21 imports soundfile", "model"),
        ("numba", "adapter.py:12 imports numba", "acceleration"),
    ]
    present = found("onnx", "graph", "import cv2", opencv_contrib_python_headless="4.10")
    assert ("opencv-contrib-python-headless", "4.10") in {(need.name, need.version) for need in present}


def test_an_adapter_reaches_upstream_and_only_what_it_surely_imports_is_required() -> None:
    tree = source(
        detect="import cv2\ndef load():\n    import thop\n",
        train="import tensorboard\n",
    )
    listed = found("onnx", "graph", "from detect import decode\n", tree)
    assert ("opencv-python", "up/detect.py:1 imports cv2", "model") in rows(listed)
    assert ("thop", "up/detect.py:3 imports thop", "utility") in rows(listed)
    assert "tensorboard" not in {need.name for need in listed}
    assert {need.name for need in needs.missing(listed, optional=False)} == {"numpy", "onnxruntime", "opencv-python"}
    assert "thop" in {need.name for need in needs.missing(listed, optional=True)}


def test_weights_without_a_recipe_need_what_the_entrypoint_needs() -> None:
    tree = source(
        detect="import torch\nfrom net import Net\nif __name__ == '__main__':\n    import argparse, tqdm\n",
        net="import einops\n",
    )
    assert {need.name for need in found("torch-zip", "weights", None, tree)} == {"torch", "numpy", "einops", "tqdm"}
    assert {need.name for need in found("onnx", "graph", None, tree)} == {"onnxruntime", "numpy"}


def test_plain_lines_are_not_imported_as_a_proof() -> None:
    lines = "import torch\nimport plotted\nnet = torch.load('net.pth')\n"
    tree = source(go=lines)
    assert [entry.path for entry in tree.entrypoints] == ["up/go.py"]
    assert needs.roots_of("weights", False, tree, ()) == []
    assert needs.roots_of("weights", False, tree, ["go.py"]) == ["up/go.py"]  # as told
    guarded = source(go=lines, other="import torch\nnet = torch.load('net.pth')\nif __name__ == '__main__':\n    main()\n")
    assert needs.roots_of("weights", False, guarded, ()) == ["up/other.py"]
