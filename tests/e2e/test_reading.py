"""A checkpoint and a source tree, and no code written: read, run, compared with upstream's own run, and kept."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny
from test_claims import claim, record
from tiny import built, doit, journal, workspace

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = EXAMPLES.parent / "recipes"
TORCH = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
needs_torch = [pytest.mark.slow, pytest.mark.skipif(not TORCH.exists(), reason="ASSAY_TORCH_PYTHON names none")]
EXPERIMENT = """\
model: {{name: {name}, checkpoint: up/{name}/{name}.{kind}, task: {task}}}
source: {{path: up/{name}}}
device: cpu
inputs: {{find: [refs], count: 6, labels: up/{name}/data/labels.json}}
measure: {{batch: [1], threads: [1], precision: [fp32], seconds: 0.05}}
targets: {{{metric}: ">= 0.5"}}
sandbox: plain
"""
YOLO = {"name": "tinyyolo", "task": "detection", "metric": "map50"}
DIGITS = {"name": "digits", "task": "classification", "metric": "accuracy"}
CONSTANTS = {  # of examples/tinyyolo, as its detect.py has them
    "pre.color": "RGB", "pre.layout": "NCHW", "pre.dtype": "float32", "pre.size": [128, 128], "pre.resize": "letterbox",
    "pre.interpolation": "bilinear", "pre.pad": 114.0, "pre.mean": [0.0] * 3, "pre.std": [255.0] * 3, "pre.batch": 1,
}  # fmt: skip


def make(root: Path, *names: str) -> Path:
    """Make a repository with copies of these examples, as anybody's upstream."""
    for folder in ("experiments", "recipes"):
        (root / folder).mkdir(parents=True)
    (root / "dodo.py").write_text(tiny.DODO)
    (root / "pyproject.toml").write_text(tiny.PYPROJECT)
    for name in names:
        shutil.copytree(EXAMPLES / name, root / "up" / name)
        shutil.copytree(RECIPES / name, root / "recipes" / name)
    return root


def alike(one: Any, other: Any, within: float) -> bool:
    """Tell whether two answers are the same but for the rounding of their numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key], within) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(alike(a, b, within) for a, b in zip(one, other))
    return abs(one - other) <= within if isinstance(one, float) and isinstance(other, float) else one == other


def predictions(repo: Path, name: str) -> list[Any]:
    return [(item["id"], item["result"]) for item in record(repo, "predictions", name)["items"]]


def agreements(repo: Path, name: str) -> set[tuple[str, str, str]]:
    return {(item["tensors"], item["outputs"], item["answer"]) for item in record(repo, "agreement", name)["items"]}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Experiment plain has no recipe; experiment given has that of the example."""
    repo = make(tmp_path_factory.mktemp("read") / "repo", "tinyyolo")
    text = EXPERIMENT.format(kind="onnx", **YOLO)
    tiny.add_experiment(repo, "plain", text)
    tiny.add_experiment(repo, "given", text + "recipe: tinyyolo\n")
    done = doit(repo, "report", "exp=plain")
    assert (done.code, done.out.splitlines()[0].split("  ")[0]) == (0, "plain: GO"), done.text
    yield repo
    assert tiny.left_behind(repo) == []


def test_all_functions_are_found_and_nothing_is_asked(read: Path) -> None:
    contract = record(read, "contract", "plain")
    by = contract["functions"]
    assert (by["build"], by["preprocess"], by["infer"], by["postprocess"]) == ("default", "drafted", "default", "drafted")
    assert contract["questions"] == [] and doit(read, "ask", "exp=plain").code == 0
    assert {c["id"]: c["value"] for c in contract["claims"] if c["id"] in CONSTANTS} == CONSTANTS
    assert {c["status"] for c in contract["claims"] if c["id"] in CONSTANTS} <= {"observed", "verified"}
    params = record(read, "params", "plain")["params"]
    assert {name: p["value"] for name, p in params.items()} == {"score_threshold": 0.25, "iou_threshold": 0.45, "max_boxes": 100}


def test_real_inputs_come_out_as_in_upstreams_own_run(read: Path) -> None:
    assert agreements(read, "plain") == {("same", "same", "same")}
    assert len(record(read, "agreement", "plain")["items"]) == 4
    assert record(read, "agreement", "plain")["entry"] == "tinyyolo/detect.py"
    assert record(read, "metrics", "plain")["verdict"] == "GO"
    stages = {line["stage"] for line in journal(read, "plain")}
    assert {"match", "probe", "agree"} <= stages


def test_a_second_run_has_nothing_to_do(read: Path) -> None:
    assert built(read, "plain") == []
    assert tiny.to_run(read, "plain") == set()


def test_the_answers_are_those_of_the_recipe_that_people_wrote(read: Path) -> None:
    built(read, "given", "decode")
    given, plain = predictions(read, "given"), predictions(read, "plain")
    assert len(plain) == 6 and any(result for _, result in plain)
    assert alike(plain, given, within=0.006)  # the recipe rounds boxes to hundredths of a pixel


def test_the_adapter_reads_as_an_adapter_and_says_where_its_lines_are_from(read: Path) -> None:
    text = (workspace(read, "plain") / "scripts/adapter.py").read_text()
    assert "from detect import" in text and "up/" not in text and str(read) not in text
    lines = {int(row.rpartition(":")[2]) for row in text.splitlines() if "# detect.py:" in row}
    source = (read / "up/tinyyolo/detect.py").read_text().splitlines()
    assert lines and all(1 <= n <= len(source) and source[n - 1].strip() for n in lines)


# ---------------------------------------------------------------- torch weights and their class
@pytest.mark.parametrize("about", [pytest.param(a, marks=needs_torch, id=a["name"]) for a in (YOLO, DIGITS)])
def test_weights_and_source_are_enough(about: dict[str, str], tmp_path: Path) -> None:
    name = about["name"]
    repo = make(tmp_path / "repo", name)
    text = EXPERIMENT.format(kind="pth", **about)
    tiny.add_experiment(repo, "torch", text + f"env: {{python: {TORCH}}}\n")
    tiny.add_experiment(repo, "onnx", EXPERIMENT.format(kind="onnx", **about) + f"recipe: {name}\n")
    done = doit(repo, "report", "exp=torch")
    assert done.code == 0, done.text
    match = record(repo, "match", "torch")
    assert (match["outcome"], match["best"]["module"], match["missing"], match["unexpected"]) == ("exact", "model", [], [])
    by = record(repo, "contract", "torch")["functions"]
    assert {by[part] for part in ("build", "preprocess", "postprocess")} == {"drafted"}
    assert agreements(repo, "torch") == {("same", "same", "same")}
    assert record(repo, "contract", "torch")["questions"] == []
    assert record(repo, "metrics", "torch")["verdict"] in ("GO", "NOT DECIDED")
    built(repo, "onnx", "decode")
    assert alike(predictions(repo, "torch"), predictions(repo, "onnx"), within=0.01)
    assert built(repo, "torch") == []


@pytest.mark.parametrize("kind", [pytest.param("pth", marks=needs_torch)])
def test_an_argument_of_the_class_is_proved_by_shapes_or_said_to_rest_on_its_line(kind: str, tmp_path: Path) -> None:
    repo = make(tmp_path / "repo", "tinyyolo")
    tiny.add_experiment(repo, "tiny", EXPERIMENT.format(kind=kind, **YOLO) + f"env: {{python: {TORCH}}}\n")
    built(repo, "tiny", "contract")
    assert claim(repo, "model.class")["value"] == "model:TinyYolo" and claim(repo, "model.class")["status"] == "verified"
    for argument in ("num_classes", "num_anchors", "width", "depth"):
        found = claim(repo, f"model.args.{argument}")
        assert found["status"] == "verified" if found["identified"] else found["status"] in ("read", "unknown"), found
    assert json.dumps(record(repo, "contract", "tiny")["claims"]).count("tinyyolo/detect.py") >= 1
