"""Drafts for a model that is given tensors inside tuples, lists and dicts."""

from typing import Any

import pytest
from drafts_watched import ARRAY, TENSOR, Watched, function

from assay.drafts.draft import Draft, draft

SCRIPT = """
    import cv2
    import torch
    from net import Net, begin, boxes
    net = Net()
    img = cv2.imread('a.png')
    x = torch.from_numpy(img).float()
    {before}
    out = net({given})
    print(out)
"""
T2, T3 = {**TENSOR, "tensor": "t2"}, {**TENSOR, "tensor": "t3"}


def drafted(given: str, args: Any, before: str = "pass", kwargs: Any = None, alone: bool = False, **values: Any) -> Draft:
    seen = Watched(detect=SCRIPT.replace("{given}", given).replace("{before}", before), net="class Net: ...\ndef begin(x): ...\ndef boxes(x): ...\n")
    seen.frame("f1", "detect", "<module>", net={"module": "m1"}, img=ARRAY, x=TENSOR, **values)
    seen.construct("net", "Net", ("f1", "Net("))
    seen.read(("f1", "cv2.imread"))
    seen.call(("f1", "net("), args=args, kwargs=kwargs or {})
    made = draft([seen.run()], seen.texts, {}, None, "tree", alone=alone)[0]
    compile(made.text, "adapter.py", "exec")
    return made


def called(made: Draft) -> str:
    """Give the call of the model in infer."""
    return next(line.split("= ", 1)[1] for line in function(made.text, "infer").splitlines() if "model(" in line)


def tensor(name: str) -> str:
    return f"torch.from_numpy(tensors['{name}']).to(device)"


@pytest.mark.parametrize(
    ("given", "args", "call", "inputs"),
    [
        ("[x]", [[TENSOR]], "[{x}]", ["x"]),
        ("(x,)", [{"tuple": [TENSOR]}], "({x},)", ["x"]),
        ("{'image': x}", [{"image": TENSOR}], "{{'image': {x}}}", ["x"]),
        ("{**state, 'b': x}", [{"a": T2, "b": TENSOR}], "{{'a': {input}, 'b': {input2}}}", ["input", "input2"]),
        ("(x, (h, c))", [{"tuple": [TENSOR, {"tuple": [T2, T3]}]}], "({x}, ({h}, {c}))", ["x", "h", "c"]),
        ("x, (h, c)", [TENSOR, {"tuple": [T2, T3]}], "{x}, ({h}, {c})", ["x", "h", "c"]),
        ("x, state", [TENSOR, {"tuple": [T2, T3]}], "{x}, ({state}, {state2})", ["x", "state", "state2"]),
        ("state", [[{"image": TENSOR, "more": [T2]}]], "[{{'image': {state}, 'more': [{state2}]}}]", ["state", "state2"]),
        ("state", [{"b": TENSOR, "a": {"c": T2}}], "{{'b': {state}, 'a': {{'c': {state2}}}}}", ["state", "state2"]),
        ("[x, x]", [[TENSOR, TENSOR]], "[{x}, {x2}]", ["x", "x2"]),
        ("[*state]", [[TENSOR, T2]], "[{input}, {input2}]", ["input", "input2"]),
        ("[torch.from_numpy(img)]", [[TENSOR]], "[{img}]", ["img"]),
        ("state[0]", [{"tuple": [TENSOR]}], "({input},)", ["input"]),
    ],
)
def test_the_model_is_given_what_upstream_gives_it(given: str, args: Any, call: str, inputs: list[str]) -> None:
    made = drafted(given, args, before="state, h, c = begin(x), x + 1, x + 2")
    assert made.functions["infer"], made.why
    assert called(made) == f"model({call.format(**{name: tensor(name) for name in inputs})})"
    assert made.inputs == inputs
    given_back = function(made.text, "preprocess").splitlines()[-1]
    assert all(f"'{name}':" in given_back for name in inputs), given_back


@pytest.mark.parametrize(
    ("given", "args", "why"),
    [
        ("(x, 3)", [{"tuple": [TENSOR, 3]}], "more than tensors in it"),
        ("[x, None]", [[TENSOR, None]], "more than tensors in it"),
        ("{'image': x, 'size': 3}", [{"image": TENSOR, "size": 3}], "more than tensors in it"),
        ("state", [{"image": TENSOR, "size": [3, 4]}], "more than tensors in it"),
        ("begin(x)", [[TENSOR, T2]], "made in the call"),
        ("[begin(x)]", [[[TENSOR, T2]]], "made in the call"),
        ("[y for y in state]", [[TENSOR, T2]], "made in the call"),
        ("*state", [TENSOR, T2], "packed list"),
    ],
)
def test_what_cannot_be_taken_apart_is_not_drafted(given: str, args: Any, why: str) -> None:
    made = drafted(given, args, before="state = begin(x)")
    assert not made.functions["preprocess"] and not made.functions["infer"]
    assert why in made.why["preprocess"]


def test_a_keyword_that_holds_tensors() -> None:
    made = drafted("x, state=(h, c)", [TENSOR], "h, c = begin(x), x", kwargs={"state": {"tuple": [T2, T3]}})
    assert called(made) == f"model({tensor('x')}, state=({tensor('state')}, {tensor('state2')}))"


def test_a_name_of_a_part_that_is_another_arguments() -> None:
    made = drafted("state, state2", [{"tuple": [TENSOR, T2]}, T3], "state, state2 = begin(x), x")
    assert made.inputs == ["state", "state2", "state22"], made.inputs
    assert called(made) == f"model(({tensor('state')}, {tensor('state2')}), {tensor('state22')})"


def test_a_run_that_took_no_input_of_ours_has_infer() -> None:
    made = drafted("x, (h, c)", [TENSOR, {"tuple": [T2, T3]}], before="h, c = begin(x), x + 2", alone=True)
    assert made.functions["infer"] and not made.functions["postprocess"]
    assert made.why["postprocess"] == "the script works on data of its own"


def test_a_call_that_is_long_is_broken_below_its_place() -> None:
    made = drafted("[first_picture, second_picture]", [[TENSOR, T2]], before="first_picture, second_picture = begin(x), x")
    lines = made.text.splitlines()
    at = lines.index("        # detect.py:8")
    assert lines[at - 1] == "    with torch.inference_mode():" and lines[at + 1] == "        answer = model("
    assert all(len(line) <= 100 for line in lines[at:])
