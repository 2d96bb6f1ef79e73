"""The verb rehearse: an adapter beside a watched run; the witness: is an answer what upstream showed; behave's runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assay
from assay import bridge

sys.path.insert(0, str(Path(assay.__file__).parent / "worker"))

from assay_worker import answers, witness

Rehearse = Callable[..., dict[str, Any]]
ADAPTER = """
import json, numpy as np
FACTOR = 2.0

def build(*, checkpoint, device):
    return FACTOR

def preprocess(path):
    values = np.asarray(json.load(open(path)), dtype=np.float32)
    return {"x": values / 2}, {"count": len(values)}

def infer(model, tensors):
    return {"y": tensors["x"] * model}

def postprocess(outputs, ctx, *, digits=2):
    return {"best": int(outputs["y"].argmax()), "score": round(float(outputs["y"].max()), digits), "of": ctx["count"]}
"""
VALUES = [1.0, 5.0, 3.0]
SHOWN = [[["best 1 of 3:", 5.0], {}, None]]


@pytest.fixture
def rehearse(ask: Any, workspace: Path) -> Rehearse:
    """Rehearse an adapter beside one run in which x = half the values went in, and twice that came out."""

    def rehearsed(adapter: str = ADAPTER, *, shown: Any = SHOWN, given: Any = None, gave: Any = None, more: Any = None, **keys: Any) -> dict[str, Any]:
        (workspace / "inputs").mkdir(exist_ok=True)
        (workspace / "inputs/a.json").write_text(str(VALUES))
        x = np.asarray(VALUES, "float32") / 2 if given is None else given
        y = x * 2 if gave is None else gave
        np.savez(workspace / "inputs/seen.npz", t1=x, t2=y)
        one = {"file": "inputs/a.json", "npz": "inputs/seen.npz", "inputs": ["t1"], "outputs": ["t2"], "names": ["x"],
               "shown": shown, "training": False, "listed": False, "many": False, **(more or {})}  # fmt: skip
        request = {"functions": ["build", "preprocess", "infer", "postprocess"], "runs": [one], "source_roots": [],
                   "device": "cpu", "threads": 1, "precision": "fp32", "params": {}, "inputs": [], "outputs": [], **keys}  # fmt: skip
        outcome = ask(adapter, verb="rehearse", python=Path(sys.executable), limits=bridge.Limits(seconds=30), **request)
        assert outcome.value is not None, (outcome, bridge.tail(outcome))
        return {**outcome.value["runs"][0], "build": outcome.value["build"]}

    return rehearsed


def outcomes(row: dict[str, Any]) -> dict[str, str]:
    return {name: row[name]["outcome"] for name in ("build", "preprocess", "infer", "postprocess") if name in row}


SOUNDING = ADAPTER.replace("""    return {"best": int""", """    if digits:
        return {"sound": np.stack([outputs["y"] / 10, -outputs["y"] / 10], 1).astype("float32"), "rate": 8000}
    return {"best": int""")


# ---------------------------------------------------------------- beside a run
def test_an_adapter_that_does_the_same_is_the_same_in_every_part(rehearse: Rehearse) -> None:
    row = rehearse()
    assert outcomes(row) == {"build": "same", "preprocess": "same", "infer": "same", "postprocess": "same"}, row
    assert (row["preprocess"]["difference"], row["postprocess"]["seen"]) == (0.0, 3)
    assert row["result"] == {"best": 1, "score": 5.0, "of": 3}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("values / 2}", "values / 2.0001}", "the largest difference is"),
        ("values / 2}", "(values / 2).astype('float64')}", "float64 [3], upstream has float32 [3]"),
        ("values / 2}", "(values / 2)[None]}", "float32 [1, 3], upstream has float32 [3]"),
        ("values / 2}", "values / 2, 'z': values}", "2 tensors, upstream has 1"),
        ("values / 2}", "np.where(values == 5, np.float32('nan'), values / 2).astype('float32')}", "not a number at other places"),
    ],
)
def test_tensors_have_to_be_the_same_bit_for_bit(rehearse: Rehearse, old: str, new: str, said: str) -> None:
    row = rehearse(ADAPTER.replace(old, new))
    assert row["preprocess"]["outcome"] == "different" and said in row["preprocess"]["message"], row
    assert row["infer"]["outcome"] == "same", "the model is judged on what reached it in upstream's run"


def test_a_sound_has_to_be_the_one_that_upstream_wrote(rehearse: Rehearse) -> None:
    samples = np.asarray(VALUES, "float32") / 10
    told = answers.told_sound({"sound": np.stack([samples, -samples], 1), "rate": 8000})
    row = rehearse(SOUNDING, shown=[[[{"path": "@tree/out.wav"}], {}, None, told]])
    assert outcomes(row)["postprocess"] == "same" and row["result"] == told, row
    other = answers.told_sound({"sound": np.stack([samples, -samples], 1) * np.float32(1.0001), "rate": 8000})
    assert outcomes(rehearse(SOUNDING, shown=[[[], {}, None, other]]))["postprocess"] == "different"
    assert outcomes(rehearse(SOUNDING, shown=[[[], {}, None, {**told, "rate": 16000}]]))["postprocess"] == "different"


def test_a_model_that_answers_otherwise_is_told_and_its_answer_is_still_upstreams(rehearse: Rehearse) -> None:
    row = rehearse(ADAPTER.replace("FACTOR = 2.0", "FACTOR = 2.01"))
    assert outcomes(row) == {"build": "same", "preprocess": "same", "infer": "different", "postprocess": "same"}
    training = rehearse(ADAPTER.replace("FACTOR = 2.0", "FACTOR = 2.01"), more={"training": True})
    assert training["infer"]["outcome"] == "unseen"
    within = rehearse(ADAPTER.replace("FACTOR = 2.0", "FACTOR = 2.00001"))
    assert within["infer"]["outcome"] == "same" and 0 < within["infer"]["difference"] < 1e-4


def test_a_function_that_fails_is_an_answer_with_its_place(rehearse: Rehearse) -> None:
    row = rehearse(ADAPTER.replace("return {\"best\"", "raise KeyError('scores')\n    return {\"best\""))
    assert row["postprocess"]["outcome"] == "failed" and "KeyError: 'scores'" in row["postprocess"]["message"]
    assert row["postprocess"]["where"].startswith("scripts/adapter.py:")
    unbuilt = rehearse(ADAPTER.replace("return FACTOR", "raise SystemExit('no weights')"))
    assert outcomes(unbuilt)["build"] == "failed" and outcomes(unbuilt)["preprocess"] == "same"


def test_an_answer_is_compared_with_what_was_given_out(rehearse: Rehearse) -> None:
    wrong = rehearse(ADAPTER.replace("argmax", "argmin"))
    assert wrong["postprocess"]["outcome"] == "different" and wrong["postprocess"]["unseen"] == ["/best: 0"]
    nothing = rehearse(shown=[])
    assert nothing["postprocess"]["outcome"] == "unseen"


def test_tensors_that_were_given_out_count_by_their_numbers(rehearse: Rehearse) -> None:
    adapter = ADAPTER.replace('return {"best"', 'return outputs["y"]\n    return {"best"')
    assert rehearse(adapter, shown=[[[{"tensor": "t2", "lib": "numpy"}], {}, None]])["postprocess"]["outcome"] == "same"
    assert rehearse(adapter, shown=[[[{"tensor": None, "lib": "numpy"}], {}, None]])["postprocess"]["outcome"] == "unseen"


def test_a_variable_of_upstreams_that_is_called_tensor_is_a_variable(rehearse: Rehearse) -> None:
    after = {"tensor": {"tensor": "t1", "lib": "numpy", "dtype": "float32", "shape": [3]}, "best": 1, "score": 5.0, "of": 3}
    assert rehearse(shown=[after])["postprocess"]["outcome"] == "same"


def test_lists_of_numbers_have_no_type_of_their_own(rehearse: Rehearse) -> None:
    asks = {"adapter": ADAPTER.replace("values / 2}", "(values / 2).astype('float64')}"), "more": {"listed": True}}
    assert rehearse(**asks)["preprocess"]["outcome"] == "same"


def test_where_upstream_calls_again_and_again_only_the_answer_is_compared(rehearse: Rehearse) -> None:
    adapter = ADAPTER.replace('{"x": values / 2}', '{"x": np.stack([values / 2] * 4)}').replace('len(values)}', '3}')
    row = rehearse(adapter.replace('outputs["y"]', 'outputs["y"][0]'), more={"many": True})
    assert outcomes(row) == {"build": "same", "preprocess": "same", "infer": "same", "postprocess": "same"}, row


def test_the_last_example_of_what_reached_the_model_is_kept(rehearse: Rehearse, workspace: Path) -> None:
    rehearse()
    kept = np.load(workspace / ".stage/raw/example.npz")
    assert kept["x"].tolist() == [0.5, 2.5, 1.5]


def test_a_model_is_fed_by_the_names_it_takes_when_no_preprocess_is_known(rehearse: Rehearse) -> None:
    row = rehearse(functions=["build", "infer", "postprocess"], shown=[[[1, 5.0, 3], {}, None]])
    assert (row["infer"]["outcome"], "preprocess" in row) == ("same", False)


# ---------------------------------------------------------------- the witness
def judged(answer: Any, *shown: Any) -> str:
    return witness.judge(answer, list(shown)).outcome


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"label": "cat", "score": 0.87312}, "cat 0.873"),  # rounded
        ({"score": 0.87312}, "87.3%"),  # per cent
        ({"score": 0.87312}, "87 %"),
        ({"box": [12.7, 30.2]}, [12, 30]),  # cut to whole pixels
        ({"box": [12.7, 30.2]}, "box (12, 30)"),
        ({"score": 0.87312}, 0.873120001),  # float32
        ({"score": 1.5e-7}, "1.5e-07"),
        ({"value": -3.25}, "-3.25"),
        ([{"label": "cat"}, {"label": "dog"}], {"names": ["dog", "bird", "cat"]}),
        ({"flag": True}, {"found": True}),
        ({"score": None, "label": "cat"}, "cat"),
        ([], "3 found"),
    ],
)
def test_what_was_shown_in_another_form_is_borne_out(answer: Any, shown: Any) -> None:
    assert judged(answer, shown) == "same"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"label": "dog"}, "cat 0.873"),
        ({"score": 0.88}, "cat 0.873"),
        ({"score": 0.31}, "87.3%"),
        ({"box": [13.2, 30.2]}, [12, 30]),
        ({"label": "cat", "score": 0.5}, "cat"),  # one leaf more than was shown
        ({"flag": True}, 1),
        ({"count": 1}, True),
        ({"value": 3.25}, "-3.25"),
        ({"score": float("nan")}, "0.5"),
        ({"index": 3}, "picture.png: 4"),
    ],
)
def test_what_was_not_shown_is_different(answer: Any, shown: Any) -> None:
    assert judged(answer, shown) == "different"


def test_what_is_not_borne_out_is_named() -> None:
    found = witness.judge({"a": [1, 7, 8, 9, 10, 11, 12], "b": "cat"}, [[1], "cat"])
    assert (found.outcome, found.seen, found.leaves) == ("different", 2, 8)
    assert found.unseen == ["/a/1: 7", "/a/2: 8", "/a/3: 9", "/a/4: 10", "/a/5: 11"]


def test_nothing_shown_or_nothing_answered_is_no_proof() -> None:
    assert judged({"a": 1}) == judged({"a": 1}, [None, {}]) == "unseen"
    assert witness.judge([], ["something"]).seen == 0


@pytest.mark.parametrize("shown", ["class 0: 0.87", "000.png: cat 0.87", "0 1 2"])
def test_a_small_number_is_not_the_nought_or_the_one_that_stands_somewhere(shown: str) -> None:
    assert judged({"score": 0.31}, shown) == "different"
    assert judged({"score": 0.003}, shown) == "different"


def test_a_whole_number_in_a_word_is_none_of_the_answers_words() -> None:
    assert judged({"label": "0"}, "data/003.png: 3 0.999") == "different"
    assert judged({"label": "cat"}, "concatenated") == "different"


# ---------------------------------------------------------------- behave: what happened, and in which time
def behaved(ask: Any, workspace: Path, script: str, **keys: Any) -> dict[str, Any]:
    tree = workspace / "refs/net"
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "main.py").write_text(script)
    request = {"tree": "refs/net", "entry": {"script": "main.py"}, "argv": ["@input"], "source_roots": ["refs/net"],
               "stop": "call", "seconds": 2.0, "until_calls": 0, "threads": 1, "stimuli": "image", "inputs": [], "samples": [], **keys}  # fmt: skip
    outcome = ask(verb="behave", python=Path(sys.executable), limits=bridge.Limits(seconds=40, memory_mib=8192), **request)
    assert outcome.value is not None, (outcome, bridge.tail(outcome))
    return dict(outcome.value)


@pytest.mark.parametrize(
    ("script", "outcome", "where"),
    [
        ("import threading\nthreading.Event().wait()\n", "hung", "net/main.py:2"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n", "hung", ""),
        ("import os\nos._exit(0)\n", "failed", ""),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n", "no-call", ""),
    ],
)
def test_a_run_that_never_reaches_the_model_is_made_once_and_ends_in_time(
    ask: Any, workspace: Path, script: str, outcome: str, where: str
) -> None:
    found = behaved(ask, workspace, script, seconds=1.0)
    assert [run["outcome"] for run in found["runs"]] == [outcome] and found["findings"] == []
    assert found["runs"][0]["where"] == where and [one["npz"] for one in found["first"]] == [""]


def onnx_graph(path: Path, wide: int = 16) -> None:
    """Write a graph of one product."""
    import onnx
    from onnx import TensorProto, helper

    weight = onnx.numpy_helper.from_array(np.full((wide, 3), 0.5, np.float32), "w")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, wide])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [given], [made], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def gif() -> bytes:
    """Give a picture of upstream's own."""
    import io

    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (9, 7), (7, 0, 0)).save(held, "GIF")
    return held.getvalue()


IDLE = """
import sys
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession('best.onnx', providers=['CPUExecutionProvider'])
WAY
print(session.run(None, {'x': x})[0])
"""
READS = "x = np.asarray(Image.open(sys.argv[1]).convert('L').resize((4, 4)), 'float32').reshape(1, 16)"


@pytest.mark.parametrize(
    ("way", "samples", "runs"),
    [
        ("x = np.ones((1, 16), 'float32')", [], 1),
        ("x = np.ones((1, 16), 'float32')", ["refs/net/1.gif"], 1),
        (READS, [], 7),
        (READS, ["refs/net/1.gif"], 8),
    ],
)
def test_what_is_not_read_is_given_once(
    ask: Any, workspace: Path, tmp_path: Path, way: str, samples: list[str], runs: int
) -> None:
    onnx_graph(tmp_path / "best.onnx")
    if samples:
        (workspace / "refs/net").mkdir(parents=True)
        (workspace / samples[0]).write_bytes(gif())
    named = {"name": "best.onnx", "sha256": "", "format": "onnx"}
    more = {"checkpoint": named, "checkpoint_file": tmp_path / "best.onnx", "samples": samples, "seconds": 20.0}
    found = behaved(ask, workspace, IDLE.replace("WAY", way), **more)
    assert [run["outcome"] for run in found["runs"]] == ["ok"] * runs
    assert any(one["reads"] for one in found["first"]) == (runs > 1)


@pytest.mark.parametrize(
    ("mode", "wide", "size"), [("L", 64, [8, 8]), ("RGB", 3 * 81, [9, 9]), ("L", 65, None), ("L", 16, None)]
)
def test_a_picture_gets_the_size_that_a_failure_speaks_of(
    ask: Any, workspace: Path, tmp_path: Path, mode: str, wide: int, size: "list[int] | None"
) -> None:
    onnx_graph(tmp_path / "best.onnx", wide)
    shape = (1, 3, *size) if size and mode == "RGB" else (1, 1, *size) if size else ()
    laid = f".transpose(2, 0, 1).reshape{shape}" if mode == "RGB" else f".reshape{shape}" if size else ""
    way = f"x = np.asarray(Image.open(sys.argv[1]).convert({mode!r}), 'float32'){laid}.reshape(1, {wide})"
    named = {"name": "best.onnx", "sha256": "", "format": "onnx"}
    more = {"checkpoint": named, "checkpoint_file": tmp_path / "best.onnx", "seconds": 20.0}
    found = behaved(ask, workspace, IDLE.replace("WAY", way), **more)
    outcomes = [run["outcome"] for run in found["runs"]]
    assert outcomes == (["ok"] * 7 if size else ["failed"]), found["runs"][0]["message"]
