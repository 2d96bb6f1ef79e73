"""Upstream that no script or document runs: a function of its that a caller would hand an input to is called."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny
from test_claims import EXPERIMENT, claim, lines_of, make, record
from test_reading import agreements
from tiny import built, doit, workspace

READER = '''\
"""Tells dark pictures from bright ones, for whoever asks."""

import numpy as np
import onnxruntime
from PIL import Image

from scale import to_unit


class Reader:
    WORDS = ["dark", "bright"]

    def __init__(self, weights, size=4):
        self.size, self.words = size, Reader.WORDS
        self.session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])

    def _prepared(self, image):
        grey = np.asarray(image.convert("L").resize((self.size, self.size)), dtype=np.float32)
        return to_unit(grey)[None, None]

    def read(self, image):
        return self.words[int(self.session.run(None, {"image": self._prepared(image)})[0][0].argmax())]

    def predict(self, path):
        """Say which it is."""
        return self.read(Image.open(path))
'''
CROPPED = '''\
from PIL import Image

from reader import Reader


def board(path, reader):
    """Read a board of two squares."""
    whole = Image.open(path)
    return [reader.read(whole.crop((x, 0, x + 8, 8))) for x in (0, 8)]
'''

FLASK = """\
class Flask:
    def __init__(self, name):
        self.addresses = {}

    def route(self, address, methods=()):
        return lambda function: self.addresses.setdefault(address, function)


class request:
    files = {}


def jsonify(*args, **kwargs):
    return args or kwargs
"""
SERVICE = '''\
"""Tells dark pictures from bright ones, for whoever uploads one."""

import io

import numpy as np
import onnxruntime
from flask import Flask, jsonify, request
from PIL import Image

from scale import to_unit

app = Flask(__name__)
session = onnxruntime.InferenceSession("models/tiny.onnx", providers=["CPUExecutionProvider"])
WORDS = ["dark", "bright"]
SIZE = (4, 4)


def small(picture):
    return np.asarray(picture.resize(SIZE), dtype=np.float32)


@app.route("/predict", methods=["POST"])
def predict():
    if "file" not in request.files:
        return jsonify(error="no file"), 400
    file = request.files["file"]
    try:
        picture = Image.open(io.BytesIO(file.read())).convert("L")
    except Exception as error:
        return jsonify(error=str(error)), 400
    scores = session.run(None, {"image": to_unit(small(picture))[None, None]})[0][0]
    return jsonify({"word": WORDS[int(scores.argmax())], "best": float(scores.max())})
'''


PAGE = '''\
import numpy as np
import onnxruntime
import streamlit as st
from PIL import Image
from streamlit_drawable_canvas import st_canvas

from scale import to_unit

st.title("Dark or bright?")


class Config:
    LABELS = ["dark", "bright"]


@st.cache_resource
def load():
    return onnxruntime.InferenceSession("models/tiny.onnx", providers=["CPUExecutionProvider"])


way = st.sidebar.radio("from", ["canvas", "file"])
least = st.sidebar.slider("least", 0.0, 1.0, 0.25)
if way == "canvas":
    picture = st_canvas(width=4).image_data
else:
    file = st.file_uploader("a picture", type=["png"])
    picture = Image.open(file).convert("L") if file is not None else None
if picture is not None and st.button("Tell"):
    with st.spinner("at work"):
        scores = load().run(None, {"image": to_unit(np.asarray(picture.resize((4, 4)), np.float32))[None, None]})[0][0]
    best = int(scores.argmax())
    st.success(f"{Config.LABELS[best]}: {scores[best]:.3f}")
    st.bar_chart(scores)
'''


def claim_of(contract: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(c) for c in contract["claims"] if c["id"] == name)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny has a class that reads files, parts one that is handed parts of pictures, served a web service."""
    root = make(tmp_path_factory.mktemp("uses") / "repo")
    (root / "upstream/predict.py").unlink()
    (root / "upstream/README.md").write_text("# Tiny\n")
    parts = root / "parts"
    parts.mkdir()
    for name in ("scale.py", "names.py"):
        (parts / name).write_bytes((root / "upstream" / name).read_bytes())
    (root / "upstream/reader.py").write_text(READER)
    (parts / "reader.py").write_text(READER.partition("    def predict")[0])
    (parts / "boards.py").write_text(CROPPED)
    tiny.add_experiment(root, "parts", EXPERIMENT.replace("path: upstream", "path: parts"))
    served = Path(shutil.copytree(root / "upstream", root / "served", ignore=shutil.ignore_patterns("reader.py")))
    (served / "service.py").write_text(SERVICE)
    (served / "flask.py").write_text(FLASK)
    tiny.add_experiment(root, "served", EXPERIMENT.replace("path: upstream", "path: served"))
    paged = Path(shutil.copytree(root / "upstream", root / "paged", ignore=shutil.ignore_patterns("reader.py")))
    (paged / "app.py").write_text(PAGE)
    tiny.add_experiment(root, "paged", EXPERIMENT.replace("path: upstream", "path: paged"))
    yield root
    assert tiny.left_behind(root) == []


def test_a_class_that_reads_files_is_enough(repo: Path) -> None:
    done = doit(repo, "report", "exp=tiny")
    assert done.code in (0, 1) and "Traceback" not in done.text, done.text
    contract = record(repo, "contract")
    by = contract["functions"]
    assert (by["preprocess"], by["postprocess"], contract["questions"]) == ("drafted", "drafted", [])
    assert agreements(repo, "tiny") == {("same", "same", "same")}
    assert contract["labels"] == ["dark", "bright"]
    seen = {c["id"]: c["value"] for c in contract["claims"]}
    assert (seen["run.call"], seen["post.activation"], seen["pre.size"]) == ("reader:Reader.predict", "argmax", [4, 4])
    assert "run.entry" not in seen and "pre.batch" not in seen, "how many at once is its caller's choice"


def test_the_adapter_makes_upstreams_object_from_the_checkpoint_at_hand(repo: Path) -> None:
    built(repo, "tiny", "contract")
    text = (workspace(repo, "tiny") / "scripts/adapter.py").read_text()
    assert "def preprocess(path, *, checkpoint):" in text
    assert "Reader(weights=checkpoint)  # to call Reader.predict" in text
    assert "reader.session = None" in text, "the network itself is not loaded twice"
    assert lines_of(claim(repo, "run.call")) == ["upstream/reader.py:24"]


def test_the_function_is_found_again_where_upstream_moves_it(repo: Path) -> None:
    built(repo, "tiny", "agree")
    file = repo / "upstream/reader.py"
    file.write_text("# A line more.\n" + file.read_text())
    again = built(repo, "tiny", "agree")
    file.write_text(file.read_text().partition("\n")[2])
    assert "probe" not in again and "match" not in again
    assert agreements(repo, "tiny") == {("same", "same", "same")}


def test_what_a_caller_makes_before_is_asked_for_and_not_guessed(repo: Path) -> None:
    built(repo, "parts", "contract")
    contract = record(repo, "contract", "parts")
    assert contract["functions"]["preprocess"] == "none"
    asked = {q["id"]: q["ask"] for q in contract["questions"]}
    assert "parts/boards.py:9" in asked["pre.decode"]
    assert claim_of(contract, "pre.decode")["value"] is None, "it was our call that opened the file"
    seen = {c["id"]: c["value"] for c in contract["claims"]}
    assert seen["pre.size"] == [4, 4] and seen["labels.names"] == ["dark", "bright"]


def test_the_lines_of_a_web_handler_are_run_without_the_web(repo: Path) -> None:
    built(repo, "served", "agree")
    contract = record(repo, "contract", "served")
    by = contract["functions"]
    assert (by["preprocess"], by["postprocess"], contract["questions"]) == ("drafted", "drafted", [])
    assert agreements(repo, "served") == {("same", "same", "same")}
    call = claim_of(contract, "run.call")
    assert call["value"] == "service:predict" and "web handler" in call["reason"]
    seen = {c["id"]: c["value"] for c in contract["claims"]}
    assert (seen["pre.size"], seen["pre.color"], seen["pre.decode"]) == ([4, 4], "GRAY", "PIL.Image.open")
    assert (seen["pre.batch"], seen["post.activation"]) == (1, "argmax"), "a handler is upstream's own caller"
    text = (workspace(repo, "served") / "scripts/adapter.py").read_text()
    assert "flask" not in text and "InferenceSession" not in text, "neither the web nor a second model is loaded"
    assert "# served/service.py" not in text and "# service.py: predict" in text
    assert "# service.py:18\ndef small(picture):" in text, "what cannot be imported without all that is copied"


def test_the_lines_of_a_page_are_run_without_the_page(repo: Path) -> None:
    """Neither Streamlit nor its canvas is installed, and nothing asks for them."""
    built(repo, "paged", "agree")
    contract = record(repo, "contract", "paged")
    by = contract["functions"]
    assert (by["preprocess"], by["postprocess"], contract["questions"]) == ("drafted", "drafted", [])
    assert agreements(repo, "paged") == {("same", "same", "same")}
    call = claim_of(contract, "run.call")
    assert call["value"] == "app:page" and "buttons pressed" in call["reason"]
    seen = {c["id"]: c["value"] for c in contract["claims"]}
    assert (seen["pre.size"], seen["pre.color"], seen["labels.names"]) == ([4, 4], "GRAY", ["dark", "bright"])
    text = (workspace(repo, "paged") / "scripts/adapter.py").read_text()
    assert "streamlit" not in text and "InferenceSession" not in text
