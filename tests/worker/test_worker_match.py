"""Which class the weights belong to: names and shapes compared, models made without numbers, nothing guessed around."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assay import bridge
from assay.records import Weight
from assay.stages import match
from assay.upstream import reading, scripts
from assay.upstream.requirements import survey

sys.path.insert(0, str(Path(bridge.SOURCE)))
from assay_worker import match_keys  # pure, and of no package

PYTHON = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
torch_only = pytest.mark.skipif(not PYTHON.exists(), reason="ASSAY_TORCH_PYTHON names none")
Shapes = dict[str, list[int]]
Matched = Callable[..., dict[str, Any]]


def tensors(shapes: Shapes) -> list[dict[str, Any]]:
    return [{"name": name, "shape": shape, "dtype": "float32", "part": ""} for name, shape in shapes.items()]


def laid(model: Shapes, held: Shapes) -> match_keys.Fit:
    """Lay a model's shapes on a checkpoint's."""
    return match_keys.best_fit({n: ("float", tuple(s)) for n, s in model.items()}, match_keys.targets(tensors(held)))


# ---------------------------------------------------------------- names and shapes
MODEL = {"a.weight": [2, 3], "a.bias": [2], "bn.weight": [2], "bn.num_batches_tracked": []}


@pytest.mark.parametrize("prefix", ["", "module.", "netG.", "module.model.", "anything."])
def test_what_stands_before_every_name_is_taken_off(prefix: str) -> None:
    found = laid(MODEL, {prefix + name: shape for name, shape in MODEL.items()})
    assert (found.outcome, found.target.strip, found.score) == ("exact", prefix, 1.0)


def test_a_counter_that_older_frameworks_did_not_write_is_no_difference() -> None:
    assert laid(MODEL, {n: s for n, s in MODEL.items() if "num_batches" not in n}).outcome == "exact"


def test_another_shape_or_kind_of_number_is_no_match() -> None:
    assert laid(MODEL, {**MODEL, "a.weight": [3, 2]}).outcome == ""
    held = [dict(t, dtype="int64") for t in tensors(MODEL)]
    model = {n: ("float", tuple(s)) for n, s in MODEL.items()}
    assert match_keys.best_fit(model, match_keys.targets(held)).outcome == ""


def test_more_on_one_side_counts_only_as_a_whole_submodule() -> None:
    held = {"lin.0.weight": [1, 2], "lin.1.weight": [1, 2], "lin.2.weight": [1, 2], "lin.3.weight": [1, 2], "b.c": [2]}
    assert laid({**held, "net.x.weight": [9]}, held).outcome == "subset"
    assert laid(held, {**held, "aux.weight": [9]}).outcome == "superset"
    assert laid({**held, "lin.4.weight": [1, 2]}, held).outcome == ""  # one block more: another depth
    assert laid({**held, "lin.0.bias": [1]}, held).outcome == ""  # a bias more: another setting
    assert laid(held, {**held, "lin.4.weight": [1, 2]}).outcome == ""
    assert laid(held, {**held, "lin.0.total_ops": [1]}).outcome == "superset"


def test_of_several_parts_the_one_that_fits_is_named() -> None:
    held = [dict(t, part="optimizer") for t in tensors({"x": [1]})] + [dict(t, part="ema") for t in tensors(MODEL)]
    found = match_keys.best_fit({n: ("float", tuple(s)) for n, s in MODEL.items()}, match_keys.targets(held))
    assert (found.outcome, found.target.part) == ("exact", "ema")


# ---------------------------------------------------------------- through the front door
@pytest.fixture
def matched(ask: Any, workspace: Path) -> Matched:
    """Read a tree of upstream's, then search it for the class of some tensors."""

    def asked(files: dict[str, str], shapes: Shapes) -> dict[str, Any]:
        tree = workspace / "refs/tree"
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        found = survey(tree)
        parsed = scripts.read({"tree": tree}, [f"tree/{p}" for p in found.python_files], [])
        weights = [Weight(name=n, dtype="float32", shape=s, parameters=1, bytes=4) for n, s in shapes.items()]
        candidates = msgspec.to_builtins(reading.read({"tree": tree}, parsed, weights).candidates)
        limits = bridge.Limits(seconds=120, memory_mib=8192)
        keys = {"verb": "match", "python": PYTHON, "source_roots": ["refs/tree"], "limits": limits}
        outcome = ask(tensors=tensors(shapes), candidates=candidates, **keys)
        assert outcome.value is not None, outcome
        answer: dict[str, Any] = outcome.value
        match.read(answer)  # the record takes it
        return answer

    return asked


HEAD = "import torch\nfrom torch import nn\n\n"
NET = (
    HEAD
    + """class Net(nn.Module):
    def __init__(self, width, classes, depth=2, heads=8, dropout=0.1):
        super().__init__()
        rates = [x.item() for x in torch.linspace(0, dropout, depth)]
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(width, width), nn.Dropout(r)) for r in rates])
        self.head = nn.Linear(width, classes).cuda()
        self.heads = heads
        self.load_state_dict(torch.load("weights.pth"))
"""
)


def net(width: int, classes: int, depth: int) -> Shapes:
    blocks = {
        f"blocks.{i}.0.{kind}": [width, width][: 2 - j]
        for i in range(depth)
        for j, kind in enumerate(("weight", "bias"))
    }
    return {**blocks, "head.weight": [classes, width], "head.bias": [classes]}


def arguments(answer: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: (one["value"], one["by"], one["identified"]) for one in answer["best"]["args"]}


@pytest.mark.slow
@torch_only
def test_a_call_of_upstreams_is_proved_and_cited(matched: Matched) -> None:
    run = "from models.net import Net\n\nif __name__ == '__main__':\n    model = Net(6, 3, dropout=0.2)\n"
    answer = matched({"models/net.py": NET, "run.py": run}, {f"module.{n}": s for n, s in net(6, 3, 2).items()})
    assert (answer["outcome"], answer["best"]["qualname"], answer["best"]["strip"]) == ("exact", "Net", "module.")
    found = arguments(answer)
    assert found["width"] == (6, "call", True) and found["classes"] == (3, "call", True)
    assert found["dropout"] == (0.2, "call", False) and found["heads"] == (8, "default", False)
    cited = next(one for one in answer["best"]["args"] if one["name"] == "classes")
    assert (cited["where"], cited["text"]) == ("tree/run.py:4", "model = Net(6, 3, dropout=0.2)")


@pytest.mark.slow
@torch_only
def test_numbers_are_worked_out_from_shapes_and_what_shapes_cannot_tell_is_not_claimed(matched: Matched) -> None:
    answer = matched({"net.py": NET}, net(24, 7, 5))
    assert answer["outcome"] == "exact"
    found = arguments(answer)
    assert found["width"] == (24, "solved", True) and found["classes"] == (7, "solved", True)
    assert found["depth"] == (5, "solved", True) and found["heads"] == (8, "assumed", False)


@pytest.mark.slow
@torch_only
@pytest.mark.parametrize(("passed", "by"), [("width=24, classes=7, depth=5", "default"), ("**settings", "assumed")])
def test_what_a_call_may_pass_unseen_is_not_left_to_its_default(matched: Matched, passed: str, by: str) -> None:
    run = f"from net import Net\n\n\ndef load(settings):\n    return Net({passed})\n"
    found = arguments(matched({"net.py": NET, "run.py": run}, net(24, 7, 5)))
    assert found["heads"] == (8, by, False)


@pytest.mark.slow
@torch_only
def test_a_model_that_is_nearly_it_is_told_and_not_taken(matched: Matched) -> None:
    answer = matched({"net.py": NET}, {**net(6, 3, 2), "head.weight": [3, 7]})
    assert (answer["outcome"], answer["best"]) == ("none", None)
    assert answer["tried"][0]["qualname"] == "Net" and "head.weight" in answer["tried"][0]["differs"][0]
    assert "nearest is Net" in match.read(answer).why


RUN = """import argparse
import torch
from nets import B

parser = argparse.ArgumentParser()
parser.add_argument("--weights", default="model.pth")

if __name__ == "__main__":
    args = parser.parse_args()
    model = B()
    model.load_state_dict(torch.load(args.weights))
    print(model.eval()(torch.ones(1, 3)))
"""
TWINS = (
    HEAD
    + """class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(x)


class B(A):
    def __init__(self):
        super().__init__()
        self.scale = 2


class C(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.backbone = nn.Linear(5, 5)


def make():
    return A()
"""
)


@pytest.mark.slow
@torch_only
def test_two_models_with_the_same_tensors_are_both_told(matched: Matched) -> None:
    answer = matched({"nets.py": TWINS, "run.py": RUN},
                     {"fc.weight": [2, 3], "fc.bias": [2]})  # fmt: skip
    assert answer["outcome"] == "twins" and answer["best"]["qualname"] == "B"
    assert [twin["qualname"] for twin in answer["twins"]] == ["A"]  # and make() is A again


@pytest.mark.slow
@torch_only
def test_a_missing_package_blocks_only_where_it_is_used(matched: Matched) -> None:
    imports = "import nowhere\nfrom nowhere.ops import helper\n"
    unused = imports + TWINS.partition("class B")[0]
    shapes = {"fc.weight": [2, 3], "fc.bias": [2]}
    assert matched({"unused.py": unused}, shapes)["outcome"] == "exact"
    used = imports + TWINS.partition("class B")[0].replace("nn.Linear(3, 2)", "helper(nn.Linear(3, 2))")
    answer = matched({"unused.py": used}, shapes)
    assert (answer["outcome"], answer["missing_package"]) == ("blocked", "nowhere")
    assert match.read(answer).status.word == "blocked"


CONFIG = (
    HEAD
    + """from dataclasses import dataclass


@dataclass
class Config:
    width: int = 8
    heads: int = 4
    bias: bool = True


class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc = nn.Linear(config.width, 2, bias=config.bias)
"""
)


@pytest.mark.slow
@torch_only
def test_a_configuration_is_made_of_its_own_class(matched: Matched) -> None:
    answer = matched({"code/net.py": CONFIG}, {"fc.weight": [2, 12]})  # a folder called as a module of Python is
    assert answer["outcome"] == "exact" and answer["best"]["module"].endswith("net")
    config = answer["best"]["args"][0]
    assert (config["value"]["width"], config["value"]["bias"], config["form"]) == (12, False, "object:Config")
    assert config["loose"] == ["heads"] and config["identified"] is False  # nobody said how many heads


@pytest.mark.slow
@torch_only
def test_a_module_may_open_a_file_beside_it_when_it_is_imported(matched: Matched) -> None:
    text = HEAD + "size = int(open('size.txt').read())\n\n\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(size, 2)\n"
    answer = matched({"app/net.py": text, "app/size.txt": "3"}, {"weight": [2, 3], "bias": [2]})
    assert (answer["outcome"], answer["best"]["qualname"]) == ("exact", "Net")


@pytest.mark.slow
@torch_only
def test_a_page_is_imported_for_what_it_defines(matched: Matched) -> None:
    """Its other lines would show a page, or ask a package that is not there."""
    page = """
import streamlit as st
from torch import nn
from streamlit_drawable_canvas import st_canvas

WIDTH = 3
st.title("Net")
canvas = st_canvas(width=int(WIDTH))


class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.a = nn.Linear(width, 2)


@st.cache_resource
def load():
    return Net()


net = load()
if canvas.image_data.sum():
    st.write(net(canvas.image_data))
"""
    found = matched({"app.py": page}, {"a.weight": [2, 3], "a.bias": [2]})
    assert (found["outcome"], found["best"]["qualname"]) == ("exact", "Net"), found["why"]


@pytest.mark.slow
@torch_only
def test_a_script_that_fails_at_what_it_does_is_imported_for_what_it_defines(matched: Matched) -> None:
    script = """
from torch import nn
data = open('/nowhere/data.bin').read()
first, rest = data[0], data[1:]
WIDTH = 3


class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.a = nn.Linear(width, 2)


for epoch in range(3):
    print(Net()(data))
"""
    found = matched({"main.py": script}, {"a.weight": [2, 3], "a.bias": [2]})
    assert (found["outcome"], found["best"]["qualname"]) == ("exact", "Net"), found["why"]


@pytest.mark.slow
@torch_only
@pytest.mark.parametrize("more", ["WIDTH *= 2", "if data:\n    WIDTH = 6", "WIDTH = int('6')"])
def test_what_else_a_script_would_do_to_a_value_is_not_passed_over(matched: Matched, more: str) -> None:
    """A value that no shape shows would come out wrong; here the shape shows it."""
    script = f"""
from torch import nn
data = open('/nowhere/data.bin').read()
WIDTH = 3
{more}


class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.a = nn.Linear(width, 2)
"""
    assert matched({"main.py": script}, {"a.weight": [2, 3], "a.bias": [2]})["outcome"] == "none"
