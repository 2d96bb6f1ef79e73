"""Upstreams that misbehave, end early, or do not belong to the checkpoint: one line, a status, and nothing guessed."""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import tiny
from assay import isolation
from test_claims import EXPERIMENT, PREDICT, record
from tiny import doit, workspace

TORCH = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
START = "session = onnxruntime"  # the line before which each script does what it should not
LOAD = "to_unit(grey)[None, None] * np.float32(gain)"
SCORE = '"score": float(chances[best])'


def before_the_model(*lines: str) -> str:
    """Write the script so that it does something before it makes its session."""
    return PREDICT.replace(f"    {START}", "".join(f"    {line}\n" for line in lines) + f"    {START}")


def inside_load(text: str) -> str:
    """Write the script so that what reaches the model is something else."""
    assert LOAD in PREDICT
    return PREDICT.replace(LOAD, f"{LOAD} {text}")


# what happens -> the script, how its run ended, and what is said of it
ENDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "raises": (before_the_model("raise KeyError('no such thing')"), ("failed",), "no such thing"),
    "kills": (before_the_model("import os; os.kill(os.getpid(), 9)"), ("failed",), "killed by signal 9"),
    "floods": (before_the_model("while True:", "    print('x' * 1_000_000)"), ("failed",), "more than 64 MiB"),
    "system": (before_the_model("import os; os.system('pip install thing')"), ("refused",), "os.system"),
    "pip": (before_the_model("import pip; pip.main(['install', 'thing'])"), ("refused",), "install packages"),
    "socket": (before_the_model("import socket; socket.create_connection(('127.0.0.1', 9), 1)"), ("failed", "refused"), ""),
    "window": (before_the_model("import tkinter; tkinter.Tk()"), ("failed", "missing-package"), ""),
    "lacks": (PREDICT.replace("import onnxruntime\n", "import onnxruntime\nimport turbonet\n").replace(START, "turbonet.go(); session = onnxruntime"), ("missing-package",), "turbonet is not installed"),
}  # fmt: skip
GOES_ON = {
    "writes": before_the_model("import os, shutil", "open('scale.py', 'w').write('FULL = 1')", "os.remove('README.md')",
                               "shutil.rmtree('data')", "open('../../stray.txt', 'w').write('x')", "open('@ROOT/stray.txt', 'w').write('x')"),
    "leaves": before_the_model("import os, time, threading", "if os.fork() == 0:", "    os.setsid(); os.chdir('/'); threading.Event().wait()",
                               "threading.Thread(target=threading.Event().wait).start()"),
    "shows": before_the_model("Image.new('L', (4, 4)).show()"),
}  # fmt: skip
WRONG = {
    "random": inside_load("+ np.random.rand(1, 1, 4, 4).astype(np.float32)"),
}
OTHERS = {
    "python2": 'print "no longer"\n' + PREDICT,
    "guess": PREDICT.replace(SCORE, '"score": float(np.random.rand())'),
    "library": "def predict(x):\n    return x\n",
}
CALL = 'batch = load(options.image, options.gain)\n    chances = softmax(session.run(None, {"image": batch})[0][0])'
FORMS = {  # ways of writing the same
    "inline": PREDICT.replace(CALL, 'chances = softmax(session.run(None, {"image": load(options.image, options.gain)})[0][0])'),
    "argv": re.sub(r"    (parser|options)\b.*\n", "", PREDICT).replace("import argparse", "import sys")
    .replace("options.image, options.gain", "sys.argv[1], 1.0").replace("options.weights", '"tiny.onnx"'),
}  # fmt: skip


def add(repo: Path, name: str, script: str) -> None:
    """Add an upstream and an experiment of its own; no document runs one that is bad."""
    tree = repo / "up" / name
    (tree / "data").mkdir(parents=True)
    for file in ("scale.py", "names.py", "requirements.txt"):
        (tree / file).write_text(tiny.UPSTREAM[file])
    tiny.make_pictures(tree / "data")
    (tree / "predict.py").write_text(script.replace("@ROOT", str(repo)))
    (tree / "README.md").write_text("# Tiny\n" if name not in FORMS else "```\npython predict.py data/a.png\n```\n")
    tiny.add_experiment(repo, name, EXPERIMENT.replace("path: upstream", f"path: up/{name}"))


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def said(repo: Path, names: Iterable[str], stage: str = "contract") -> tiny.Done:
    """Build a stage of each; whatever upstream does, assay ends well and shows no inside of its own."""
    done = doit(repo, "-c", stage, f"exp={','.join(names)}")
    assert "Traceback" not in done.text and "a bug of assay" not in done.text, done.text
    assert done.code == 0, done.text
    return done


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One repository with an experiment for each upstream; when all is done, none of their processes lives on."""
    folder = tmp_path_factory.mktemp("bad") / "repo"
    tiny.make_repo(folder, experiment=EXPERIMENT)
    scripts = {name: script for name, (script, *_) in ENDS.items()} | GOES_ON | WRONG | OTHERS | FORMS
    for name, script in scripts.items():
        add(folder, name, script)
    for names in (list(ENDS)[:4], list(ENDS)[4:], GOES_ON, [*WRONG, "python2", "library"]):
        said(folder, names)
    yield folder
    assert tiny.left_behind(folder) == []


# ---------------------------------------------------------------- runs that end before the model
@pytest.mark.parametrize("name", ENDS)
def test_a_run_that_ends_before_the_model_is_told_and_asked_about(repo: Path, name: str) -> None:
    _, outcomes, message = ENDS[name]
    seen = record(repo, "probe", name)["observation"]
    assert (seen["status"], seen["draft"]) == ("not seen", None)
    for tried in seen["attempts"]:
        assert tried["outcome"] in outcomes and message in tried["message"] and "\n" not in tried["message"], tried
    assert seen["reason"].startswith(f"{name}/predict.py: ") and seen["attempts"][0]["message"][:40] in seen["reason"]
    contract = record(repo, "contract", name)
    assert {q["id"] for q in contract["questions"]} == {"pre.function", "post.function"}
    assert contract["functions"]["preprocess"] == contract["functions"]["postprocess"] == "none"
    assert contents(workspace(repo, name) / f"refs/{name}") == contents(repo / "up" / name)


def test_open_questions_are_printed_with_how_to_answer(repo: Path) -> None:
    asked = doit(repo, "ask", "exp=raises")
    assert (asked.code, asked.err) == (3, "")
    rows = asked.out.splitlines()
    assert rows[0] == "raises: 2 open questions" and len(rows) == 5
    assert rows[1].startswith("1. pre.function: ") and "give preprocess() in a recipe" in rows[1]
    assert rows[2].startswith("   in experiments/raises.yaml: contract: {pre.function: {is: VALUE, by: YOU")
    told = doit(repo, "ask", "exp=raises", "--json")
    assert told.code == 3 and [q["id"] for q in json.loads(told.out)["raises"]] == ["pre.function", "post.function"]


# ---------------------------------------------------------------- runs that do more than they should
@pytest.mark.parametrize("name", GOES_ON)
def test_what_a_run_does_besides_is_gone_when_it_ends(repo: Path, name: str) -> None:
    refused = name == "writes" and isolation.best().level == "landlock"  # that ends the run: it may not write there
    assert record(repo, "contract", name)["functions"]["postprocess"] == ("none" if refused else "drafted")
    assert contents(workspace(repo, name) / f"refs/{name}") == contents(repo / "up" / name)
    strays = [p for p in (*repo.rglob("stray.txt"), *repo.parent.glob("*.txt")) if "refs" in p.parts or p.parent in (repo, repo.parent)]
    assert strays == [] and tiny.left_behind(repo) == []


# ---------------------------------------------------------------- drafts that are wrong
@pytest.mark.parametrize("name", WRONG)
def test_a_preprocess_that_is_never_the_same_twice_is_not_used(repo: Path, name: str) -> None:
    rehearsals = {r["function"]: r for r in record(repo, "probe", name)["observation"]["draft"]["rehearsals"]}
    assert rehearsals["preprocess"]["outcome"] == "different"
    contract = record(repo, "contract", name)
    assert (contract["functions"]["preprocess"], contract["functions"]["postprocess"]) == ("none", "drafted")
    assert [q["id"] for q in contract["questions"]] == ["pre.function"]
    values = {c["id"]: c for c in contract["claims"]}
    assert [values[f"pre.{what}"]["status"] for what in ("mean", "std", "scale", "interpolation")] == ["unknown"] * 4
    assert "def preprocess" not in (workspace(repo, name) / "scripts/adapter.py").read_text()


NOT_CUT_YET = pytest.mark.xfail(strict=True, reason="sys.argv[1] inside an expression is not seen as the input's path")


@pytest.mark.parametrize("name", [pytest.param(f, marks=NOT_CUT_YET) if f == "argv" else f for f in FORMS])
def test_what_is_drafted_does_not_hang_on_how_a_line_is_written(repo: Path, name: str) -> None:
    said(repo, [name])
    assert record(repo, "probe", name)["observation"]["status"] == "seen"
    functions = record(repo, "contract", name)["functions"]
    assert (functions["preprocess"], functions["postprocess"]) == ("drafted", "drafted")


def test_an_answer_that_upstream_makes_up_is_not_used_and_nothing_is_decided(repo: Path) -> None:
    said(repo, ["guess"], "report")
    contract = record(repo, "contract", "guess")
    assert (contract["functions"]["preprocess"], contract["functions"]["postprocess"]) == ("drafted", "none")
    assert [q["id"] for q in contract["questions"]] == ["post.function"]
    assert record(repo, "metrics", "guess")["verdict"] == "NOT DECIDED"
    assert "post.function" in (workspace(repo, "guess") / "reports/experiment-report.md").read_text()


# ---------------------------------------------------------------- nothing to run
@pytest.mark.parametrize("name", ["python2", "library"])
def test_a_tree_without_a_way_in_says_so(repo: Path, name: str) -> None:
    seen = record(repo, "probe", name)["observation"]
    assert seen["status"] == "not seen" and seen["reason"]
    assert {tried["outcome"] for tried in seen["attempts"]} <= {"no-call"}
    assert len(record(repo, "contract", name)["questions"]) == 2
    if name == "python2":
        assert "python2/predict.py" in json.dumps(record(repo, "source", name)["index_notes"])


def test_without_a_source_a_name_alone_leads_nowhere_and_says_what_would(repo: Path) -> None:
    tiny.add_experiment(repo, "nameless", EXPERIMENT.replace("source: {path: upstream}\n", "").replace("find: [refs]", "find: [synthetic]"))
    said(repo, ["nameless"])
    refs = record(repo, "refs", "nameless")
    assert refs["trees"] == [] and "source" in json.dumps(refs)
    assert record(repo, "match", "nameless")["outcome"] == "not needed"
    assert "there is no source" in record(repo, "probe", "nameless")["observation"]["reason"]


def state_dict(path: Path, shapes: dict[str, list[int]]) -> None:
    """Write a safetensors file by hand."""
    import numpy as np

    head, data, place = {}, b"", 0
    for name, shape in shapes.items():
        values = np.ones(shape, dtype="float32").tobytes()
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + len(values)]}
        data, place = data + values, place + len(values)
    text = json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


FOREIGN = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.stem = nn.Linear(3, 7)\n"


@pytest.mark.slow
@pytest.mark.skipif(not TORCH.exists(), reason="ASSAY_TORCH_PYTHON names none")
def test_weights_of_another_repository_are_not_claimed_to_be_of_this_one(repo: Path) -> None:
    state_dict(repo / "weights/other.safetensors", {"stem.0.weight": [4, 4], "stem.0.bias": [4]})
    add(repo, "foreign", FOREIGN)
    path = repo / "experiments/foreign.yaml"
    path.write_text(path.read_text().replace("weights/tiny.onnx", "weights/other.safetensors") + f"env: {{python: {TORCH}}}\n")
    said(repo, ["foreign"])
    match = record(repo, "match", "foreign")
    assert match["best"] is None and match["twins"] == [] and match["outcome"] in ("none", "no candidates")
    claims = [c for c in record(repo, "contract", "foreign")["claims"] if c["id"].startswith(("model.class", "model.args"))]
    assert not [c for c in claims if c["value"] is not None]
    probe = record(repo, "probe", "foreign")
    assert probe["status"]["word"] == "blocked" and probe["status"]["question"]


@pytest.mark.slow
def test_a_tree_of_three_thousand_files_takes_bounded_time(repo: Path) -> None:
    add(repo, "large", PREDICT)
    tree = repo / "up/large/kit"
    body = "".join(f"\n\nclass Block{n}:\n    def forward(self, x):\n        return x + {n}\n" for n in range(5))
    for n in range(3000):
        place = tree / f"part{n % 30}/module{n}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"import part{(n + 1) % 30}.module{n + 1}\n{body}")
    began = time.monotonic()
    said(repo, ["large"])
    assert time.monotonic() - began < 60
    assert record(repo, "contract", "large")["functions"]["preprocess"] == "drafted"
