"""What upstream's own calls pass to a candidate, and where each value stands."""

from pathlib import Path
from typing import Any

from reading_trees import NN, read, weights

from assay.records.upstream import Candidate

NET = NN + (
    "class Net(nn.Module):\n    def __init__(self, classes, width=4, kind='tiny', drop=0.5):\n        super().__init__()\n"
    "        if kind == 'large':\n            width = 8\n        assert kind in ('tiny', 'small')\n"
    "        self.fc = nn.Linear(width, classes)\n"
)  # fmt: skip


def first(folder: Path, files: "dict[str, str]") -> Candidate:
    return read(folder, {"net.py": NET, **files}, weights("fc.weight", "fc.bias")).candidates[0]


def values(candidate: Candidate, name: str) -> "list[tuple[Any, str, str]]":
    return [(v.value, v.by, v.where) for p in candidate.parameters if p.name == name for v in p.values]


def test_parameters_and_their_defaults(tmp_path: Path) -> None:
    found = first(tmp_path, {})
    assert [(p.name, p.has_default, p.default) for p in found.parameters] == [
        ("classes", False, None), ("width", True, 4), ("kind", True, "tiny"), ("drop", True, 0.5),
    ]  # fmt: skip
    assert values(found, "kind") == [("large", "literal", "t/net.py:8"), ("tiny", "literal", "t/net.py:10"), ("small", "literal", "t/net.py:10")]


def test_a_value_is_followed_to_where_it_stands(tmp_path: Path) -> None:
    files = {
        "names.py": "CLASS_NAMES = [\n    'cat', 'dog', 'cow',\n]\n",
        "run.py": "import argparse\nfrom net import Net\nfrom names import CLASS_NAMES\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--width', type=int, default=32)\nargs = parser.parse_args()\n"
        "def build(n, drop=0.25):\n    return Net(n, width=args.width, drop=drop)\n\n"
        "if __name__ == '__main__':\n    model = build(len(CLASS_NAMES))\n",
    }  # fmt: skip
    found = first(tmp_path, files)
    assert values(found, "classes")[0] == (3, "labels", "t/names.py:1")
    assert values(found, "width") == [(32, "config", "t/run.py:5")]
    assert values(found, "drop") == [(0.25, "constant", "t/run.py:7")]
    assert found.calls[0].args == {"classes": 3, "width": 32, "drop": 0.25}
    assert (found.calls[0].where, found.calls[0].text) == ("t/run.py:8", "return Net(n, width=args.width, drop=drop)")


def test_files_of_settings_and_labels(tmp_path: Path) -> None:
    files = {
        "data/coco.data": "[name]\nclasses=80\n", "labels.txt": "a\nb\n",
        "run.py": "from net import Net\ncfg = load('data/coco.data')\nnames = [n.strip() for n in open('labels.txt').readlines()]\n"
        "a = Net(cfg['classes'])\nb = Net(len(names))\nc = Net(unknown(), drop=other.x)\n",
    }  # fmt: skip
    found = first(tmp_path, files)
    assert values(found, "classes")[:2] == [(80, "config", "t/data/coco.data:2"), (2, "labels", "t/labels.txt:1")]
    assert found.calls[2].args == {"classes": {"unknown": "unknown()"}, "drop": {"unknown": "other.x"}}


def test_of_two_branches_the_one_whose_condition_holds(tmp_path: Path) -> None:
    script = (
        "import argparse\nfrom net import Net\np = argparse.ArgumentParser()\np.add_argument('--net', default='b')\nargs = p.parse_args()\n"
        "def main():\n    n = None\n    if args.net == 'b':\n        n = 2\n    elif args.net == 'c':\n        n = 3\n    return Net(n)\n"
    )
    found = first(tmp_path, {"run.py": script})
    assert found.calls[0].args == {"classes": 2}
    assert [v for v, _, _ in values(found, "classes")] == [2, 3]


def test_a_table_that_has_every_key_that_is_asked_of_a_parameter(tmp_path: Path) -> None:
    net = NN + (
        "class Net(nn.Module):\n    def __init__(self, cfg):\n        super().__init__()\n"
        "        self.fc = nn.Linear(cfg['in'], cfg['out'])\n"
    )  # fmt: skip
    files = {"net.py": net, "config.py": "small = {'in': 2, 'out': 3}\nother = {'in': 2}\n"}
    found = read(tmp_path, files, weights("fc.weight")).candidates[0]
    assert values(found, "cfg") == [({"in": 2, "out": 3}, "constant", "t/config.py:1")]


def test_settings_that_are_asked_for_by_attribute(tmp_path: Path) -> None:
    net = NN + (
        "class Net(nn.Module):\n    def __init__(self, h):\n        super().__init__()\n        self.fc = nn.Linear(h.a, h.b)\n"
    )
    files = {"net.py": net, "v1.json": '{"a": 1, "b": 2}', "no.json": '{"a": 1}', "run.py": "open('v1.json'), open('no.json')"}
    found = read(tmp_path, files, weights("fc.weight")).candidates[0]
    assert values(found, "h") == [({"a": 1, "b": 2}, "config", "t/v1.json:1")]


def test_modules_that_are_passed_are_spelled_out(tmp_path: Path) -> None:
    net = NN + (
        "class Back(nn.Module):\n    def __init__(self, depth):\n        super().__init__()\n        self.fc = nn.Linear(depth, 1)\n\n\n"
        "class Net(nn.Module):\n    def __init__(self, back=None):\n        super().__init__()\n"
        "        self.back = back or Back(1)\n        self.head = nn.Linear(1, 1)\n"
    )  # fmt: skip
    exp = "from net import Back, Net\nclass Exp:\n    depth = 1.0\n    def get_model(self):\n        back = Back(self.depth)\n        return Net(back)\n"
    small = "from exp import Exp as Base\nclass Exp(Base):\n    def __init__(self):\n        self.depth = 0.33\n"
    found = read(tmp_path, {"net.py": net, "exp.py": exp, "small.py": small}, weights("back.fc.weight", "head.bias"))
    best = next(c for c in found.candidates if c.qualname == "Net")
    assert [call.args["back"] for call in best.calls] == [{"unknown": "Back(1.0)"}, {"unknown": "Back(0.33)"}]


def test_what_a_call_chooses_from_a_table_or_a_module(tmp_path: Path) -> None:
    files = {"a.py": "from net import Net\nKINDS = {'net': Net}\ndef make(k):\n    return KINDS[k](5)\n"}
    assert first(tmp_path, files).calls[0].args == {"classes": 5}
