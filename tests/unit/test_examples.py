"""The shipped example models do what their READMEs say; nothing here needs torch but the tests that say so."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TINYYOLO = ROOT / "examples" / "tinyyolo"
DIGITS = ROOT / "examples" / "digits"
MEBIBYTE = 1024 * 1024


def run(*command):
    """Run a script of an example; return what it printed."""
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def module(path):
    """Import one file under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"examples_{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def labels(example):
    return json.loads((example / "data" / "labels.json").read_text(encoding="utf-8"))


def rows(readme):
    """Read a README's tables: first cell -> the other cells."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in readme.splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in cells}


def adapter_answers(recipe, example):
    """Run a recipe's adapter over an example's pictures in a process of its own, as the worker does."""
    code = """
import json, sys, numpy as np, onnxruntime
from pathlib import Path
adapter, weights, data, tree = map(Path, sys.argv[1:])
sys.path[:0] = [str(tree), str(adapter.parent)]
import adapter as functions
assert "torch" not in sys.modules
session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
answers, batch = {}, []
for path in sorted(data.glob("*.png")):
    tensors, ctx = functions.preprocess(path)
    json.dumps(ctx)
    result = functions.postprocess(dict(zip(names, session.run(None, tensors))), ctx)
    picture = functions.draw(path, result)
    answers[path.name] = {"result": result, "drawn": [picture.mode, *picture.size]}
    batch.append((tensors, ctx))
first = batch[:8]
stacked = {name: np.concatenate([t[name] for t, _ in first]) for name in first[0][0]}
outputs = dict(zip(names, session.run(None, stacked)))
together = [functions.postprocess({n: v[i : i + 1] for n, v in outputs.items()}, c) for i, (_, c) in enumerate(first)]
print(json.dumps({"answers": answers, "together": together}))
"""
    adapter = ROOT / "recipes" / recipe / "adapter.py"
    weights = next(example.glob("*.onnx"))
    return json.loads(run("-c", code, adapter, weights, example / "data", example))


def test_the_examples_are_small():
    for weights in [*ROOT.glob("examples/*/*.onnx"), *ROOT.glob("examples/*/*.pth")]:
        assert 10_000 < weights.stat().st_size < 1.5 * MEBIBYTE
    pictures = [*ROOT.glob("examples/*/data/*.png")]
    assert all(picture.stat().st_size < 25_000 for picture in pictures)
    assert sum(p.stat().st_size for p in ROOT.glob("examples/**/*") if "__pycache__" not in p.parts) < 3 * MEBIBYTE


@pytest.mark.parametrize("example", [TINYYOLO, DIGITS])
def test_every_file_an_upstream_has_is_there(example):
    names = {path.name for path in example.iterdir()}
    weights = {f"{example.name}.onnx", f"{example.name}.pth"}
    assert {"model.py", "train.py", "make_data.py", "requirements.txt", "README.md", "LICENSE", *weights} <= names
    assert "Apache License" in (example / "LICENSE").read_text()
    assert {p.name for p in (example / "data").glob("*.png")} == set(labels(example)["images"])


def test_tinyyolo_labels_fit_their_pictures():
    truth = labels(TINYYOLO)
    assert truth["classes"] == (TINYYOLO / "labels.txt").read_text().split()
    assert sorted(truth["groups"].values()) == ["noisy"] * 4 + ["plain"] * 16 + ["scale"] * 4
    for name, things in truth["images"].items():
        width, height = Image.open(TINYYOLO / "data" / name).size
        assert things
        for thing in things:
            x1, y1, x2, y2 = thing["box"]
            assert thing["label"] in truth["classes"] and 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height


def test_tinyyolo_pictures_come_from_their_seeds(tmp_path):
    run(TINYYOLO / "make_data.py", "--out", tmp_path)
    truth, again = labels(TINYYOLO), json.loads((tmp_path / "labels.json").read_text())
    assert truth["groups"] == again["groups"]
    for name, things in truth["images"].items():
        assert [thing["label"] for thing in things] == [thing["label"] for thing in again["images"][name]]
        boxes = [[thing["box"] for thing in side] for side in (things, again["images"][name])]
        np.testing.assert_allclose(*boxes, atol=0.11)
        shipped, drawn = (np.asarray(Image.open(at / name), dtype=float) for at in (TINYYOLO / "data", tmp_path))
        assert np.abs(shipped - drawn).mean() < 1  # Pillow's versions may round differently


def test_training_never_saw_the_labelled_pictures():
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.parse((TINYYOLO / "make_data.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    default = re.search(r'"--pictures", type=int, default=(\d+)', (TINYYOLO / "train.py").read_text())
    assert int(default[1]) < constants["FIRST_SEED"]


def test_tinyyolo_scores_what_its_readme_says():
    scores = json.loads(run(TINYYOLO / "evaluate.py", "--json"))
    assert scores["0.05"]["plain"] >= 0.92
    assert scores["0.25"]["plain"] >= 0.85
    assert scores["0.25"]["all"] >= 0.8
    assert scores["baseline"]["all"] < 0.1
    stated = rows((TINYYOLO / "README.md").read_text(encoding="utf-8"))
    for group in ("plain", "noisy", "scale", "all"):
        assert stated[group][1:] == [f"{scores[column][group]:.3f}" for column in ("0.05", "0.25", "baseline")]


def test_average_precision_by_hand():
    average_precision = module(TINYYOLO / "evaluate.py").average_precision
    truth = {"a": [{"label": "x", "box": [0, 0, 10, 10]}], "b": [{"label": "x", "box": [0, 0, 10, 10]}]}

    def answer(score, box):
        return {"label": "x", "score": score, "box": box}

    hit, miss = [0, 0, 10, 10], [20, 20, 30, 30]
    assert average_precision({"a": [answer(0.9, hit)], "b": [answer(0.8, hit)]}, truth, "x") == 1.0
    assert average_precision({"a": [], "b": []}, truth, "x") == 0.0
    assert average_precision({"a": [], "b": []}, truth, "y") is None
    # hit, miss, hit: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1
    found = {"a": [answer(0.9, hit), answer(0.8, miss)], "b": [answer(0.7, hit)]}
    assert average_precision(found, truth, "x") == pytest.approx(0.5 + 0.5 * 2 / 3)
    # a second box on a truth already taken is a miss
    found = {"a": [answer(0.9, hit), answer(0.8, hit)], "b": [answer(0.7, hit)]}
    assert average_precision(found, truth, "x") == pytest.approx(0.5 + 0.5 * 2 / 3)
    # IoU of exactly one half counts, less does not
    assert average_precision({"a": [answer(0.9, [0, 0, 5, 10])], "b": []}, truth, "x") == pytest.approx(0.5)
    assert average_precision({"a": [answer(0.9, [0, 0, 4.9, 10])], "b": []}, truth, "x") == 0.0


def test_letterbox_and_restore_undo_each_other():
    detect = module(TINYYOLO / "detect.py")
    for width, height in ((128, 128), (72, 104), (192, 128), (500, 20)):
        square, ratio, pad = detect.letterbox(Image.new("RGB", (width, height)))
        assert square.size == (detect.SIZE, detect.SIZE)
        inside = np.array([[1.0, 2.0, width - 3.0, height - 1.0]])
        there = inside * ratio + np.array([*pad, *pad])
        np.testing.assert_allclose(detect.restore(there, ratio, pad, width, height), inside, atol=1e-9)


@pytest.mark.parametrize("script", [TINYYOLO / "detect.py", DIGITS / "classify.py"])
def test_importing_upstream_loads_no_runtime(script):
    code = f"import sys; sys.path.insert(0, {str(script.parent)!r}); import {script.stem}; print(*sys.modules)"
    assert not {"torch", "onnxruntime"} & set(run("-c", code).split())


def test_the_onnx_files_say_what_they_are():
    onnx = pytest.importorskip("onnx")
    for example, names in ((TINYYOLO, ["circle", "square", "triangle"]), (DIGITS, [str(n) for n in range(10)])):
        model = onnx.load(example / f"{example.name}.onnx")
        facts = {entry.key: entry.value for entry in model.metadata_props}
        assert list(ast.literal_eval(facts["names"]).values()) == names
        for value in (*model.graph.input, *model.graph.output):
            first, *rest = value.type.tensor_type.shape.dim
            assert first.dim_param == "batch" and all(dim.dim_value > 0 for dim in rest)


def test_the_tinyyolo_recipe_answers_as_upstream_does():
    ran = adapter_answers("tinyyolo", TINYYOLO)
    found = {name: answer["result"] for name, answer in ran["answers"].items()}
    evaluate, truth = module(TINYYOLO / "evaluate.py"), labels(TINYYOLO)
    scores = json.loads(run(TINYYOLO / "evaluate.py", "--json"))["0.25"]
    assert evaluate.score(found, truth) == pytest.approx(scores)
    for things in found.values():
        assert [thing["score"] for thing in things] == sorted((thing["score"] for thing in things), reverse=True)
    for alone, together in zip(list(found.values())[:8], ran["together"], strict=True):
        assert [thing["label"] for thing in alone] == [thing["label"] for thing in together]
        np.testing.assert_allclose([t["box"] for t in alone], [t["box"] for t in together], atol=0.02)
    assert all(mode == "RGB" and min(size) >= 256 for mode, *size in (a["drawn"] for a in ran["answers"].values()))


def test_digits_scores_what_its_readme_says():
    scores = json.loads(run(DIGITS / "evaluate.py", "--json", "--shipped-only"))
    stated = rows((DIGITS / "README.md").read_text(encoding="utf-8"))
    assert scores["shipped"]["accuracy"] >= 0.9
    assert stated["shipped"] == ["40", f"{scores['shipped']['accuracy']:.3f}", "0.100"]


def test_digits_whole_held_out_part():
    pytest.importorskip("sklearn")
    scores = json.loads(run(DIGITS / "evaluate.py", "--json"))["held out"]
    stated = rows((DIGITS / "README.md").read_text(encoding="utf-8"))
    assert stated["held out"] == [str(scores["pictures"]), f"{scores['accuracy']:.3f}", f"{scores['baseline']:.3f}"]


def test_digits_pictures_are_exact_and_held_out(tmp_path):
    pytest.importorskip("sklearn")
    run(DIGITS / "make_data.py", "--out", tmp_path)
    assert json.loads((tmp_path / "labels.json").read_text()) == labels(DIGITS)
    for name in labels(DIGITS)["images"]:
        shipped, made = (np.asarray(Image.open(at / name)) for at in (DIGITS / "data", tmp_path))
        assert shipped.shape == (8, 8) and (shipped == made).all()
        assert (shipped % 15 == 0).all() and shipped.max() <= 240


def test_the_digits_recipe_answers_as_upstream_does():
    ran = adapter_answers("digits", DIGITS)
    truth = labels(DIGITS)["images"]
    right = [answer["result"]["label"] == truth[name] for name, answer in ran["answers"].items()]
    shipped = json.loads(run(DIGITS / "evaluate.py", "--json", "--shipped-only"))["shipped"]["accuracy"]
    assert sum(right) / len(right) == pytest.approx(shipped)
    for answer in ran["answers"].values():
        result = answer["result"]
        assert len(result["top"]) == 3 and result["top"][0] == {"label": result["label"], "score": result["score"]}


def test_the_digits_recipe_prepares_as_upstream_does():
    classify, adapter = module(DIGITS / "classify.py"), module(ROOT / "recipes" / "digits" / "adapter.py")
    path = DIGITS / "data" / "000.png"
    np.testing.assert_array_equal(classify.preprocess(Image.open(path)), adapter.preprocess(path)[0]["image"])


@pytest.mark.parametrize("name", ["yolo", "digits"])
def test_the_experiments_name_what_exists(name):
    text = (ROOT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../docs/experiment.schema.json"
    experiment = yaml.safe_load(text)
    for path in (experiment["model"]["checkpoint"], experiment["source"]["path"], experiment["inputs"]["labels"]):
        assert (ROOT / path).exists()
    assert experiment["inputs"]["count"] == len(labels(ROOT / experiment["source"]["path"])["images"])
    recipe = ROOT / "recipes" / experiment["recipe"]
    defaults = yaml.safe_load((recipe / "recipe.yaml").read_text(encoding="utf-8"))
    assert defaults["model"]["task"] == experiment["model"]["task"]
    keywords = {
        argument.arg
        for node in ast.parse((recipe / "adapter.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.kwonlyargs
    }
    assert set(defaults["params"]) | set(experiment.get("params", {})) == keywords


@pytest.mark.parametrize("example", [TINYYOLO, DIGITS])
def test_the_torch_twin_gives_the_same_scores(example):
    pytest.importorskip("torch")
    if example == DIGITS:
        pytest.importorskip("sklearn")
    twin = json.loads(run(example / "evaluate.py", "--weights", example / f"{example.name}.pth", "--json"))
    for column, scores in json.loads(run(example / "evaluate.py", "--json")).items():
        assert twin[column] == pytest.approx(scores, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("example", "least"), [(TINYYOLO, 0.85), (DIGITS, 0.95)])
def test_training_again_is_as_good(example, least, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    run(example / "train.py", "--out", tmp_path)
    scores = json.loads(run(example / "evaluate.py", "--weights", tmp_path / f"{example.name}.onnx", "--json"))
    assert (scores["0.25"]["plain"] if example == TINYYOLO else scores["held out"]["accuracy"]) >= least
