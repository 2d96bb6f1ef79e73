"""Experiments and recipes as they come out of their files."""

import os
import pathlib
import subprocess
import sys

import pytest

from assay import domain
from assay.config.spec import experiment_names, files_of, read_experiment
from assay.errors import WrongInputs

MINIMAL = "model: {checkpoint: a.onnx, name: x}\n"
FULL = """
model:
  name: tinyyolo
  checkpoint: ~/a.onnx
  task: detection
  claimed: {url: https://example.org/y, version: 1.10, license: on}
source: {repo: https://example.org/y.git, rev: 0123456}
env:
  {manager: venv, python: /opt/py/bin/python, on_missing: fail, map: {cv2: opencv-python-headless},
   index: {url: https://example.org/simple, find_links: wheels/, build: [basicsr], cooldown_days: 0}}
device: cuda:1
inputs: {find: synthetic, count: 3, labels: ./data//labels.json}
contract:
  pre.color: {is: BGR, by: ada, date: 2026-11-20, why: seen}
  pre.mean: {confirm: [0.5, 1, "2"], by: ada, against: 9c02}
  post.iou: {unknown: true, by: ada}
params: {a: 1, b: 0.5, c: true, d: text, e: "1", f: [1, x, [2.5]], g: 12:30, h: 007, i: 1e-3, j: ~}
measure: {batch: [1, 8], threads: [1, all], precision: fp16, seconds: 2}
train: true
targets: {latency_ms.p50: "<= 20", "latency_ms.p50[batch=8, scope=model]": "< 9.5", map50: ">= 0.6"}
workspace: tmp/y/
"""


def write(root: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def faults(root: pathlib.Path, name: str = "x") -> list[str]:
    with pytest.raises(WrongInputs) as caught:
        read_experiment(root, name)
    return str(caught.value).splitlines()


def test_minimal_takes_every_default(tmp_path: pathlib.Path) -> None:
    model = domain.Model(checkpoint="a.onnx", name="x")
    expected = domain.Experiment(name="x", file="experiments/x.yaml", model=model)
    assert read_experiment(write(tmp_path, {"experiments/x.yaml": MINIMAL}), "x") == expected


def test_full(tmp_path: pathlib.Path) -> None:
    found = read_experiment(write(tmp_path, {"experiments/x.yaml": FULL}), "x")
    assert found.model.claimed == {"url": "https://example.org/y", "version": "1.10", "license": "on"}
    assert found.source == domain.SourceSpec(repo="https://example.org/y.git", rev="0123456")
    assert found.env.python == "/opt/py/bin/python"
    assert found.env.map == {"cv2": "opencv-python-headless"}
    index = domain.IndexSpec(
        url="https://example.org/simple", find_links=("wheels/",), build=("basicsr",), cooldown_days=0
    )
    assert found.env.index == index
    assert (found.device, found.train, found.workspace) == ("cuda:1", True, "tmp/y")
    assert found.inputs == domain.InputSpec(find=("synthetic",), count=3, labels="data/labels.json")
    assert found.measure == domain.MeasureSpec(batch=(1, 8), threads=(1, "all"), precision=("fp16",), seconds=2.0)
    assert [(c.id, c.kind, c.value) for c in found.contract] == [
        ("pre.color", "is", "BGR"),
        ("pre.mean", "confirm", [0.5, 1, "2"]),
        ("post.iou", "unknown", None),
    ]
    assert found.targets[1] == domain.Target(
        key="latency_ms.p50[batch=8, scope=model]",
        metric="latency_ms.p50",
        where={"batch": "8", "scope": "model"},
        op="<",
        limit=9.5,
    )


def test_params_are_typed_by_their_looks(tmp_path: pathlib.Path) -> None:
    params = read_experiment(write(tmp_path, {"experiments/x.yaml": FULL}), "x").params
    assert repr(params) == repr(
        {"a": 1, "b": 0.5, "c": True, "d": "text", "e": "1", "f": [1, "x", [2.5]], "g": "12:30", "h": "007", "i": 0.001}
    )


def test_null_means_not_written(tmp_path: pathlib.Path) -> None:
    text = MINIMAL + "recipe: null\nmeasure:\ndevice: ~\ntargets:\ninputs: {count: }\nparams: null\n"
    found = read_experiment(write(tmp_path, {"experiments/x.yaml": text}), "x")
    assert (found.recipe, found.device, found.inputs.count, found.params) == ("", "auto", 8, {})


def test_recipe_lies_under_the_experiment(tmp_path: pathlib.Path) -> None:
    recipe = "source: {repo: https://example.org/a.git, rev: v1}\nparams: {a: 1, b: 2}\ninputs: {count: 4}\ndevice: cpu\n"
    text = MINIMAL + "recipe: yolo\nsource: {path: src}\nparams: {b: 3, c: 4}\ndevice: cuda\n"
    files = {"experiments/x.yaml": text, "recipes/yolo/recipe.yaml": recipe, "recipes/yolo/adapter.py": ""}
    root = write(tmp_path, {**files, "experiments/x.notes.md": "hello"})
    found = read_experiment(root, "x")
    assert (found.recipe, found.adapter, found.notes) == (
        "recipes/yolo",
        "recipes/yolo/adapter.py",
        "experiments/x.notes.md",
    )
    assert (found.device, found.inputs.count) == ("cuda", 4)
    assert found.params == {"a": 1, "b": 3, "c": 4}
    assert found.defaults == {"a": 1, "b": 2}
    assert found.source == domain.SourceSpec(path="src")
    assert files_of(root, found) == [
        "experiments/x.yaml",
        "recipes/yolo/recipe.yaml",
        "recipes/yolo/adapter.py",
        "experiments/x.notes.md",
    ]


def test_a_recipe_may_give_the_source(tmp_path: pathlib.Path) -> None:
    files = {
        "experiments/x.yaml": "model: {checkpoint: a}\nrecipe: recipes/y/\n",
        "recipes/y/recipe.yaml": "source: {path: s}\n",
    }
    found = read_experiment(write(tmp_path, files), "x")
    assert (found.source.path, found.recipe, found.adapter) == ("s", "recipes/y", "")


def test_an_adapter_alone_is_a_recipe(tmp_path: pathlib.Path) -> None:
    root = write(tmp_path, {"experiments/x.yaml": MINIMAL + "recipe: y\n", "recipes/y/adapter.py": ""})
    found = read_experiment(root, "x")
    assert files_of(root, found) == ["experiments/x.yaml", "recipes/y/adapter.py"]


def test_an_empty_recipe_file_is_fine(tmp_path: pathlib.Path) -> None:
    files = {"experiments/x.yaml": MINIMAL + "recipe: y\n", "recipes/y/recipe.yaml": "# later\n\n"}
    assert read_experiment(write(tmp_path, files), "x").recipe == "recipes/y"


def test_recipe_faults_name_the_recipe(tmp_path: pathlib.Path) -> None:
    recipe = "workspace: tmp/a\nmodel: {checkpoint: a}\nrecipe: z\nparams: {a: 1}\nmeasure: {bach: 1}\n"
    files = {"experiments/x.yaml": MINIMAL + "recipe: y\ndevice: tpu\n", "recipes/y/recipe.yaml": recipe}
    assert faults(write(tmp_path, files)) == [
        "experiments/x.yaml:3: device: 'tpu' is no device; write auto, cpu, cuda or cuda:0",
        "recipes/y/recipe.yaml:1: workspace: not in a recipe; write it in the experiment's file",
        "recipes/y/recipe.yaml:2: model.checkpoint: not in a recipe; write it in the experiment's file",
        "recipes/y/recipe.yaml:3: recipe: not in a recipe; write it in the experiment's file",
        "recipes/y/recipe.yaml:5: measure.bach: unknown key; did you mean measure.batch?",
    ]


def test_a_path_as_one_key_is_no_second_spelling(tmp_path: pathlib.Path) -> None:
    text = MINIMAL + "source.path: a\nenv.index: {}\nenv.index.url: https://x\n"
    assert faults(write(tmp_path, {"experiments/x.yaml": text})) == [
        "experiments/x.yaml:2: source.path: stands as one key; write it as source: {path: ...}",
        "experiments/x.yaml:3: env.index: stands as one key; write it as env: {index: ...}",
        "experiments/x.yaml:4: env.index.url: stands as one key; write it as env: {index: {url: ...}}",
    ]


def test_an_answer_about_the_class_is_the_class_that_is_meant(tmp_path: pathlib.Path) -> None:
    text = MINIMAL + "contract: {model.class: {is: net:Small, by: ada}}\n"
    assert read_experiment(write(tmp_path, {"experiments/x.yaml": text}), "x").source.meant == "net:Small"
    text = MINIMAL + "contract: {model.class: {unknown: true, by: ada}}\n"
    assert read_experiment(write(tmp_path, {"experiments/x.yaml": text}), "x").source.meant == ""


def test_unknown_recipe(tmp_path: pathlib.Path) -> None:
    root = write(tmp_path, {"experiments/x.yaml": MINIMAL + "recipe: yollo\n"})
    none = "experiments/x.yaml:2: recipe: there is no folder 'recipes/yollo'; there are no recipes yet; leave the key out"
    assert faults(root) == [none]
    write(root, {"recipes/yolo/adapter.py": ""})
    assert faults(root) == ["experiments/x.yaml:2: recipe: there is no folder 'recipes/yollo'; did you mean yolo?"]
    (root / "recipes/yollo").mkdir()
    empty = "experiments/x.yaml:2: recipe: 'recipes/yollo' holds neither recipe.yaml nor adapter.py; write one of them"
    assert faults(root) == [empty]


def test_experiment_names(tmp_path: pathlib.Path) -> None:
    assert experiment_names(tmp_path) == []
    names = ("b.yaml", "a.yaml", ".hidden.yaml", "a.notes.md", "c.yml")
    write(tmp_path, {f"experiments/{name}": "" for name in names})
    assert experiment_names(tmp_path) == ["a", "b"]


def test_unknown_experiment(tmp_path: pathlib.Path) -> None:
    mend = "write it: doit new exp=yollo checkpoint=FILE source=FOLDER"
    none = f"experiments/yollo.yaml: there is no experiment yollo; {mend}"
    assert faults(tmp_path, "yollo") == [none]
    write(tmp_path, {"experiments/yolo.yaml": "", "experiments/z.yml": ""})
    assert faults(tmp_path, "yollo") == ["experiments/yollo.yaml: there is no experiment yollo; did you mean yolo?"]
    assert faults(tmp_path, "z") == ["experiments/z.yaml: there is no experiment z; rename experiments/z.yml"]


@pytest.mark.parametrize("name", ("../x", "-rf", "/etc", "CON", "con", "", "a\x1b[31m"))
def test_a_name_that_is_none_touches_no_file(tmp_path: pathlib.Path, name: str) -> None:
    (line,) = faults(tmp_path, name)
    assert line.startswith("experiments/: ")
    assert line.isprintable()


def test_what_is_no_readable_file(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path, {"experiments/ok.yaml": MINIMAL}) / "experiments"
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    (folder / "broken.yaml").symlink_to("gone")
    (folder / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "broken", "zero"):
        (line,) = faults(tmp_path, name)
        assert line.startswith(f"experiments/{name}.yaml:1: ")
        assert "; make it a" in line


def test_nothing_is_read_through_yaml_at_import() -> None:
    code = "import sys, assay.config.spec; sys.exit('yaml' in sys.modules or 'difflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
