"""The names that a class gives its weights, read from its text alone, against those of a checkpoint."""

from pathlib import Path

import pytest
from reading_trees import NN, fit, read, weights

CONV = ["weight", "bias"]
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def under(prefix: str, *groups: "list[str]") -> "list[str]":
    return [f"{prefix}.{name}" for group in groups for name in group]


SHAPES = {
    "sequential": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8))",
        [*under("a.0", CONV), *under("a.2", NORM)],
    ),
    "ordered dict": (
        "from collections import OrderedDict\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Sequential(OrderedDict([('one', nn.Conv2d(3, 8, 3)), ('two', nn.PReLU())]))",
        [*under("a.one", CONV), "a.two.weight"],
    ),
    "add_module and f-string": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        for i in range(2):\n"
        "            self.add_module(f'fc{i}', nn.Linear(4, 4))\n            setattr(self, 'g%d' % i, nn.Linear(4, 4))",
        [*under("fc0", CONV), *under("fc1", CONV), *under("g1", CONV)],
    ),
    "list of modules in a loop over a constant": (
        "SIZES = [4, 8, 16]\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.m = nn.ModuleList([nn.Linear(a, a) for a in SIZES])",
        [*under("m.0", CONV), *under("m.2", CONV)],
    ),
    "helper method and inheritance": (
        "class Base(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n        self.body = self._make(n)\n\n"
        "    def _make(self, n):\n        layers = []\n        for _ in range(n):\n            layers.append(Block())\n"
        "        return nn.Sequential(*layers)\n\n\nclass Block(nn.Module):\n    def __init__(self):\n"
        "        super(Block, self).__init__()\n        self.conv = nn.Conv1d(1, 1, 1, bias=False)\n\n\n"
        "class Net(Base):\n    def __init__(self):\n        super().__init__(3)\n        self.head = nn.Linear(2, 2)",
        ["body.0.conv.weight", "body.2.conv.weight", *under("head", CONV)],
    ),
    "any number of blocks": (
        "class Net(nn.Module):\n    def __init__(self, depth):\n        super().__init__()\n"
        "        self.blocks = nn.ModuleList([nn.LayerNorm(4) for _ in range(depth)])",
        [*under("blocks.0", CONV), *under("blocks.11", CONV)],
    ),
    "parameters, buffers and what LSTM and attention are made of": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.p = nn.Parameter(torch.zeros(3))\n"
        "        self.register_buffer('b', torch.ones(2))\n        self.r = nn.LSTM(4, 8, 2, bidirectional=True)\n"
        "        self.t = nn.MultiheadAttention(8, 2)\n        self.stride = torch.tensor([8.0])",
        ["p", "b", "r.weight_ih_l0", "r.weight_hh_l1_reverse", "t.in_proj_weight", "t.out_proj.bias"],
    ),
    "either of two layers": (
        "class Net(nn.Module):\n    def __init__(self, norm='batch'):\n        super().__init__()\n"
        "        make = nn.BatchNorm2d if torch.rand(1) > 0 else nn.InstanceNorm2d\n        self.n = make(4)\n"
        "        if norm.cuda():\n            self.extra = nn.Linear(1, 1)",
        [*under("n", NORM), *under("extra", CONV)],
    ),
    "a table of configurations": (
        "CFG = {'a': [(4, 2), (8, 1)]}\n\n\nclass Net(nn.Module):\n    def __init__(self, kind='a'):\n        super().__init__()\n"
        "        stages = []\n        for width, count in CFG[kind]:\n            for _ in range(count):\n"
        "                stages += [nn.Linear(width, width)]\n        self.s = nn.Sequential(*stages)",
        [*under("s.0", CONV), *under("s.2", CONV)],
    ),
    "weight norm, old and new": (
        "from torch.nn.utils import weight_norm\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.c = weight_norm(nn.Conv1d(1, 1, 1))\n        self.d = weight_norm(nn.Conv1d(1, 1, 1))",
        ["c.weight_g", "c.weight_v", "c.bias", "d.parametrizations.weight.original0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SHAPES)
def test_every_key_is_explained(what: str, tmp_path: Path) -> None:
    text, keys = SHAPES[what]
    assert fit(tmp_path, text, keys) == (len(keys), len(keys))
    assert fit(tmp_path, text, [f"module.{key}" for key in keys]) == (len(keys), len(keys))


def test_what_is_not_there_explains_nothing(tmp_path: Path) -> None:
    text = SHAPES["sequential"][0]
    assert fit(tmp_path, text, ["a.1.weight", "b.0.weight", "a.0.running_mean"]) == (0, 3)
    assert fit(tmp_path, text, ["a.0.weight", "b.0.weight"]) == (1, 2)
    text = SHAPES["parameters, buffers and what LSTM and attention are made of"][0]
    assert fit(tmp_path, text, ["p", "stride"]) == (1, 2)  # a tensor that is only an attribute is no weight


def test_the_class_whose_names_fit_comes_first(tmp_path: Path) -> None:
    depths = "".join(f"def net{n}():\n    return Net([Block] * {n})\n\n\n" for n in (1, 2, 3))
    text = NN + (
        "class Block(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.c = nn.Linear(2, 2)\n\n\n"
        "class Net(nn.Module):\n    def __init__(self, kinds):\n        super().__init__()\n"
        "        self.layers = nn.Sequential(*[kind() for kind in kinds])\n\n\n" + depths
    )  # fmt: skip
    keys = [f"layers.{n}.c.{leaf}" for n in range(2) for leaf in CONV]
    found = read(tmp_path, {"net.py": text, "other.py": NN + SHAPES["sequential"][0]}, weights(*keys))
    assert [c.qualname for c in found.candidates][:2] == ["net2", "net3"]
    assert (found.candidates[0].kind, found.candidates[0].matched, found.candidates[0].total) == ("factory", 4, 4)


def test_shapes_decide_between_equal_names(tmp_path: Path) -> None:
    one = "class {}(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.c = nn.Linear({}, 4)\n\n\n"
    text = NN + one.format("A", 8) + one.format("B", 16)
    found = read(tmp_path, {"net.py": text}, weights(c__weight=[4, 16], c__bias=[4]))
    assert found.candidates[0].qualname == "B"


def test_the_class_that_a_script_builds_comes_before_its_twin(tmp_path: Path) -> None:
    net = NN + SHAPES["sequential"][0]
    script = "import torch, argparse\nfrom b.net import Net\n\nif __name__ == '__main__':\n    Net().load_state_dict(torch.load('x'))\n"
    found = read(tmp_path, {"a/net.py": net, "b/net.py": net, "detect.py": script}, weights("a.0.weight", "a.0.bias"))
    assert [c.path for c in found.candidates] == ["t/b/net.py", "t/a/net.py"]
    assert found.candidates[0].calls[0].where == "t/detect.py:5" and found.candidates[0].calls[0].entry


def test_a_model_that_a_file_of_settings_describes(tmp_path: Path) -> None:
    text = NN + (
        "import yaml\n\n\nclass Net(nn.Module):\n    def __init__(self, cfg='missing.yaml'):\n        super().__init__()\n"
        "        with open(cfg) as f:\n            self.d = yaml.safe_load(f)\n        self.model = build(self.d)\n\n\n"
        "def build(d):\n    layers = []\n    for n, m, args in d['layers']:\n        m = eval(m) if isinstance(m, str) else m\n"
        "        layers.append(nn.Sequential(*(m(*args) for _ in range(n))) if n > 1 else m(*args))\n    return nn.Sequential(*layers)\n"
    )  # fmt: skip
    small = "layers:\n  - [1, nn.Linear, [2, 2]]\n"
    large = "layers:\n  - [2, nn.Linear, [2, 2]]\n  - [1, nn.BatchNorm1d, [2]]\n"
    keys = ["model.0.0.weight", "model.0.1.weight", "model.1.running_mean"]
    found = read(tmp_path, {"net.py": text, "cfg/small.yaml": small, "cfg/large.yaml": large}, weights(*keys))
    best = found.candidates[0]
    assert (best.qualname, best.matched) == ("Net", 3)
    assert (best.parameters[0].values[0].value, best.parameters[0].values[0].by) == ("cfg/large.yaml", "config")


def test_the_folder_and_name_to_import_from(tmp_path: Path) -> None:
    net = NN + SHAPES["sequential"][0]
    files = {"src/pkg/__init__.py": "", "src/pkg/nets.py": net, "code/models/net.py": net, "code/run.py": "from models.net import Net"}
    found = read(tmp_path, files, weights("a.0.weight"))
    assert {(c.root, c.module) for c in found.candidates} == {("t/src", "pkg.nets"), ("t/code", "models.net")}


def test_a_folder_that_is_a_package_by_how_it_is_imported(tmp_path: Path) -> None:
    files = {"module/back.py": NN + SHAPES["sequential"][0], "module/detector.py": "from .back import Net", "run.py": "from module.detector import Net"}
    best = read(tmp_path, files, weights("a.0.weight")).candidates[0]
    assert (best.root, best.module) == ("t", "module.back")
