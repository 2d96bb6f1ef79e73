"""Claims by the front door: shown with their lines, asked for, answered by people, followed when upstream moves."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shop as shops
import tiny
from tiny import built, doit, edit, workspace

PREDICT = '''\
"""Tell dark pictures from bright ones."""

import argparse

import numpy as np
import onnxruntime
from PIL import Image

from names import NAMES
from scale import to_unit

SIZE = 4


def load(path, gain):
    image = Image.open(path).convert("L").resize((SIZE, SIZE))
    grey = np.asarray(image, dtype=np.float32)
    return to_unit(grey)[None, None] * np.float32(gain)


def softmax(logits):
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("--weights", default="tiny.onnx")
    parser.add_argument("--gain", type=float, default=1.0)
    options = parser.parse_args()
    session = onnxruntime.InferenceSession(options.weights, providers=["CPUExecutionProvider"])
    batch = load(options.image, options.gain)
    chances = softmax(session.run(None, {"image": batch})[0][0])
    best = int(chances.argmax())
    result = {"label": NAMES[best], "score": float(chances[best])}
    print(result)


if __name__ == "__main__":
    main()
'''
README = "# Tiny\n\n```\npython predict.py data/a.png --weights tiny.onnx\n```\n"
EXPERIMENT = """\
model: {name: tiny, checkpoint: weights/tiny.onnx, task: classification}
source: {path: upstream}
device: cpu
inputs: {find: [refs], count: 4, labels: labels/tiny.json}
measure: {batch: [1], threads: [1], precision: [fp32], seconds: 0.05}
targets: {accuracy: ">= 0.3"}
sandbox: plain
"""
PREPROCESS = '''\
"""One function of our own."""

import numpy as np
from PIL import Image


def preprocess(path, *, full=255.0):
    """Return the grey picture, 4 x 4."""
    grey = np.asarray(Image.open(path).convert("L").resize((4, 4)), dtype=np.float32)
    return {"image": grey[None, None] / np.float32(full)}, {}
'''
POSTPROCESS = '''\
"""One function of our own."""


def postprocess(outputs, ctx, *, digits=3):
    """Return the likelier word."""
    dark, bright = outputs["logits"][0].tolist()
    return {"label": "bright" if bright > dark else "dark", "by": round(abs(bright - dark), digits)}
'''


def make(root: Path, script: str = PREDICT) -> Path:
    """Make a repository whose upstream runs its own model; there is no recipe."""
    tiny.make_repo(root, experiment=EXPERIMENT)
    shutil.rmtree(root / "recipes/tiny")
    (root / "upstream/predict.py").write_text(script)
    (root / "upstream/README.md").write_text(README)
    return root


def with_recipe(repo: Path, adapter: str) -> None:
    """Give the experiment a recipe."""
    (repo / "recipes/own").mkdir(parents=True)
    (repo / "recipes/own/adapter.py").write_text(adapter)
    (repo / "recipes/own/recipe.yaml").write_text("params: {}\n")
    with (repo / "experiments/tiny.yaml").open("a") as file:
        file.write("recipe: own\n")


def say(repo: Path, *lines: str) -> None:
    """Write what somebody says under contract:."""
    (repo / "experiments/tiny.yaml").write_text(EXPERIMENT + "contract:\n" + "".join(f"  {line}\n" for line in lines))


def record(repo: Path, name: str, experiment: str = "tiny") -> dict[str, Any]:
    """Read a record."""
    found: dict[str, Any] = json.loads((workspace(repo, experiment) / f"outputs/{name}.json").read_bytes())
    return found


def claim(repo: Path, name: str) -> dict[str, Any]:
    """Read one claim."""
    [found] = [c for c in record(repo, "contract")["claims"] if c["id"] == name]
    return dict(found)


def lines_of(found: dict[str, Any]) -> list[str]:
    """Name the lines of upstream that support a claim."""
    return [e["where"] for e in found["evidence"] if e["kind"] == "source"]


@pytest.fixture(scope="module")
def _read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read the tiny upstream once, as far as its contract."""
    repo = make(tmp_path_factory.mktemp("read") / "repo")
    assert "contract" in built(repo, "tiny", "contract")
    return repo


@pytest.fixture
def read(_read: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy in which a test may change what it likes."""
    yield tiny.copy_repo(_read, tmp_path / "repo")
    tiny.end_all()
    assert tiny.left_behind(tmp_path) == []


# ---------------------------------------------------------------- shown
def test_a_claim_is_shown_with_the_line_that_says_so_and_the_run_that_showed_it(_read: Path) -> None:
    assert record(_read, "contract")["functions"] == {
        "build": "default", "preprocess": "drafted", "infer": "default", "postprocess": "drafted", "draw": "none",
    }  # fmt: skip
    shown = doit(_read, "show", "exp=tiny", "claim=pre.size")
    assert (shown.code, shown.err) == (0, "")
    said = shown.out.splitlines()
    assert said[:2] == ["pre.size: [4, 4]  h, w", "  verified, by probe"]
    line = PREDICT.splitlines().index('    image = Image.open(path).convert("L").resize((SIZE, SIZE))') + 1
    assert f"  source upstream/predict.py:{line} in load" in said
    assert [row for row in said if row.lstrip().startswith(">")] == [
        f'    >    {line}      image = Image.open(path).convert("L").resize((SIZE, SIZE))'
    ]
    assert any("upstream/predict.py @input --weights @checkpoint" in row for row in said)
    assert said[-1].strip().startswith("to answer: contract: {pre.size: {confirm: [4, 4]")


def test_the_claims_are_listed_in_short_and_given_to_machines(_read: Path) -> None:
    listed = doit(_read, "show", "exp=tiny", "claim=pre")
    names = [row.split()[0] for row in listed.out.splitlines()]
    assert listed.code == 0 and {"pre.size", "pre.std", "pre.color"} <= set(names)
    assert all(name.startswith("pre.") for name in names)
    given = json.loads(doit(_read, "show", "exp=tiny", "claim=pre.std", "--json").out)
    assert [(c["id"], c["value"], c["unit"]) for c in given] == [("pre.std", [255.0], "0-255")]
    assert [c for c in json.loads(doit(_read, "show", "exp=tiny", "--json").out) if c["id"] == "pre.std"] == given


def test_a_misspelt_claim_is_refused_in_one_line(_read: Path) -> None:
    done = doit(_read, "show", "exp=tiny", "claim=pre.sise")
    assert (done.code, done.out) == (2, "")
    assert done.err == "assay: tiny: no claim 'pre.sise'; did you mean pre.size?\n"


def test_before_there_is_a_contract_show_and_ask_say_how_to_get_one(made_repo: Any) -> None:
    repo = made_repo()
    for verb in ("show", "ask"):
        done = doit(repo, verb, "exp=tiny")
        assert done.code == 2 and "doit contract exp=tiny" in done.err and len(done.err.splitlines()) == 1


# ---------------------------------------------------------------- answered
def test_an_answer_concerns_the_contract_alone_and_stands_beside_what_was_seen(read: Path) -> None:
    assert doit(read, "ask", "exp=tiny") == (0, "tiny: no open questions\n", "")
    say(read, "pre.size: {is: [8, 8], by: ada, why: the paper says so}", "pre.dtype: {confirm: float32, by: ada}",
        "pre.layout: {confirm: NHWC, by: ada}", "pre.pad: {is: 0, by: ada}", "pre.mean: {unknown: true, by: ada}")  # fmt: skip
    planned = json.loads(doit(read, "plan", "exp=tiny", "--json").out)["tiny"]["stages"]
    runs = {stage for stage, seen in planned.items() if seen["status"] in ("stale", "never") and stage not in ("inputs",)}
    assert "contract" in runs and not {"match", "probe", "source"} & runs
    assert built(read, "tiny", "contract") == ["contract"]
    size, layout = claim(read, "pre.size"), claim(read, "pre.layout")
    assert (size["value"], size["status"], size["by"], size["alternatives"]) == ([8, 8], "corrected", "ada", [[4, 4]])
    assert lines_of(size), "what the tool saw is not lost"
    assert (layout["value"], layout["status"], layout["alternatives"]) == ("NCHW", "conflict", ["NHWC"])
    assert claim(read, "pre.dtype")["status"] == claim(read, "pre.pad")["status"] == "confirmed"
    assert (claim(read, "pre.mean")["status"], claim(read, "pre.mean")["alternatives"]) == ("unknown", [[0.0]])
    assert built(read, "tiny", "contract") == []


def test_an_answer_to_other_evidence_is_stale_and_asked_again(read: Path) -> None:
    known = claim(read, "pre.size")["hash"]
    say(read, f'pre.size: {{is: [4, 4], by: ada, against: "{known}"}}', 'pre.pad: {is: 0, by: ada, against: "00000000"}')
    built(read, "tiny", "contract")
    assert claim(read, "pre.size")["status"] == "confirmed"
    assert (claim(read, "pre.pad")["status"], claim(read, "pre.pad")["value"]) == ("stale", 0)
    asked = doit(read, "ask", "exp=tiny")
    assert asked.code == 3 and asked.err == ""
    first, question, option, how = asked.out.splitlines()
    assert first == "tiny: 1 open question" and question.startswith("1. pre.pad: ada said 0") and option == "   1) 0"
    assert how.startswith("   in experiments/tiny.yaml: contract: {pre.pad: {is: 0, by: YOU, against: ")
    say(read, how.partition("contract: {")[2][:-1].replace("YOU", "ada"))  # as it says
    built(read, "tiny", "contract")
    assert doit(read, "ask", "exp=tiny").code == 0


def test_an_answer_typed_at_the_terminal_is_written_into_the_experiment(read: Path) -> None:
    say(read, 'pre.pad: {is: 0, by: ada, against: "00000000"}')
    built(read, "tiny", "contract")
    lean = {name: value for name, value in tiny.environment().items() if name != "CI"}
    seat = shops.Seat([str(tiny.BIN / "doit"), "ask", "exp=tiny"], read, lean)
    seat.see("Enter to leave it open: ").type("1\r")
    assert seat.process.wait(timeout=20) == 0
    assert "ada said 0" in seat.text
    [line] = [row for row in (read / "experiments/tiny.yaml").read_text().splitlines() if "pre.pad" in row]
    assert "is: 0" in line and "00000000" not in line and "against" in line
    built(read, "tiny", "contract")
    assert claim(read, "pre.pad")["status"] == "confirmed"


# ---------------------------------------------------------------- upstream moves
def test_lines_are_followed_without_reading_anew_when_upstream_only_moves(read: Path) -> None:
    before = {name: claim(read, name) for name in ("pre.size", "pre.color", "pre.decode")}
    script = read / "upstream/predict.py"
    script.write_text("# Copyright of somebody\n# and a licence\n" + script.read_text().replace("\n\n\ndef softmax", "\n\n\n\ndef softmax"))
    (read / "upstream/README.md").write_text("A few words first.\n\n" + README)
    ran = built(read, "tiny", "contract")
    assert "contract" in ran and not {"match", "probe"} & set(ran)
    for name, was in before.items():
        now = claim(read, name)
        assert (now["value"], now["status"], now["hash"]) == (was["value"], was["status"], was["hash"])
        [old], [new] = lines_of(was), lines_of(now)
        assert int(new.split(":")[1]) == int(old.split(":")[1]) + 2
    assert built(read, "tiny", "contract") == []


def test_a_constant_that_changes_and_an_option_that_somebody_sets_are_seen_anew(read: Path) -> None:
    edit(read / "upstream/scale.py", "FULL = 255.0", "FULL = 250.0")
    say(read, "run.gain: {is: 2.0, by: ada}")
    ran = built(read, "tiny", "contract")
    assert {"probe", "contract"} <= set(ran) and "match" not in ran
    assert claim(read, "run.argv")["value"][-2:] == ["--gain", "2.0"]
    assert (claim(read, "pre.std")["value"], claim(read, "run.gain")["status"]) == ([125.0], "confirmed")


def test_one_value_read_and_the_same_for_every_channel_seen_are_no_two_opinions(_read: Path) -> None:
    std = claim(_read, "pre.std")
    assert (std["alternatives"], std["status"]) == ([], "verified")
    assert lines_of(std)


# ---------------------------------------------------------------- functions of one's own
def test_an_own_postprocess_leaves_the_preprocess_drafted(read: Path) -> None:
    with_recipe(read, POSTPROCESS)
    built(read, "tiny", "decode")
    functions = record(read, "contract")["functions"]
    assert (functions["preprocess"], functions["postprocess"]) == ("drafted", "recipe")
    assert "def preprocess" in (workspace(read) / "scripts/drafted.py").read_text()
    assert {claim(read, "pre.function")["status"], claim(read, "post.function")["status"]} == {"verified", "confirmed"}
    assert record(read, "params")["params"]["digits"]["origin"] == "signature"
    results = {item["id"]: item["result"] for item in record(read, "predictions")["items"]}
    assert [results[f"00{n}"]["label"] for n in range(4)] == ["dark", "dark", "bright", "bright"]
    assert built(read, "tiny", "decode") == []


def test_an_own_preprocess_that_departs_from_upstream_decides_nothing(read: Path) -> None:
    with_recipe(read, PREPROCESS.replace("full=255.0", "full=254.0"))
    built(read)
    assert {item["tensors"] for item in record(read, "agreement")["items"]} == {"different"}
    metrics = record(read, "metrics")
    assert metrics["verdict"] == "NOT DECIDED"
    assert "not as in upstream's own run, for 4 of 4 inputs" in json.dumps(metrics)


def test_what_was_drafted_and_adopted_gives_the_same_answers(read: Path) -> None:
    built(read, "tiny", "decode")
    before = record(read, "predictions")["items"]
    assert doit(read, "adopt", "exp=tiny").code == 0
    assert "recipe: tiny" in (read / "experiments/tiny.yaml").read_text()
    assert "contract" in built(read, "tiny", "decode")
    functions = record(read, "contract")["functions"]
    assert (functions["preprocess"], functions["postprocess"]) == ("recipe", "recipe")
    assert record(read, "predictions")["items"] == before
    assert built(read, "tiny", "decode") == []
