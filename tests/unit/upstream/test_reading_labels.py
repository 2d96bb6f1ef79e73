"""Labels that a module makes of what stands in it, and tables in files: numbered, or none where that is not sure."""

import json
import time
from pathlib import Path

import pytest
from reading_trees import NN, read, weights

from assay.records import Labels

NET = NN + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(1, 1)\n"


def labels(folder: Path, **files: str) -> "list[Labels]":
    tree = {"net.py": NET, **{name.replace("__", "."): text for name, text in files.items()}}
    return read(folder, tree, weights("fc.weight", "fc.bias")).labels


def told(folder: Path, text: str) -> "list[tuple[int, list[str]]]":
    return [(one.first, one.names) for one in labels(folder, words__py=text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LETTERS = 'abc'\nidx2char = {i + 1: c for i, c in enumerate(LETTERS)}", (1, ["a", "b", "c"])),
        ("LETTERS = 'abc'\nidx2char = {i: c for i, c in enumerate(LETTERS, 2)}", (2, ["a", "b", "c"])),
        ("LETTERS = ['-'] + list('ab')\nCHARS = [c for c in LETTERS]", (0, ["-", "a", "b"])),
        ("ALPHABET = list('abc')", (0, ["a", "b", "c"])),
        ("NUMBERS = '012'\nCHARS = tuple(NUMBERS + 'ab')", (0, ["0", "1", "2", "a", "b"])),
        ("int_to_char = dict(enumerate(['dark', 'bright']))", (0, ["dark", "bright"])),
        ("id2label = {v: k for k, v in {'dark': 0, 'bright': 1}.items()}", (0, ["dark", "bright"])),
        ("LABEL = {'bright': 1, 'dark': 0}\nID_TO_NAME = {v: k for k, v in LABEL.items()}", (0, ["dark", "bright"])),
        ("CLASSES = [f'class {n}' for n in range(2)]", (0, ["class 0", "class 1"])),
        ("CLASSES = ['class %d' % n for n in range(2)]", (0, ["class 0", "class 1"])),
        ("CHARS = sorted(set('cabba'))", (0, ["a", "b", "c"])),
        ("CLASSES = dict(zip(range(2), ['dark', 'bright']))", (0, ["dark", "bright"])),
        ("CLASSES = [name for name, colour in (('sky', 1), ('road', 2))]", (0, ["sky", "road"])),
        ("class Config:\n    CLASSES = ['dark', 'bright']\n    SIZE = len(CLASSES)", (0, ["dark", "bright"])),
        ("idx2name = {-1: 'nothing', 0: 'dark', 1: 'bright'}", (-1, ["nothing", "dark", "bright"])),
    ],
)
def test_a_table_that_a_module_makes(tmp_path: Path, text: str, expected: "tuple[int, list[str]]") -> None:
    assert told(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "LETTERS = 'ab'\nLETTERS = 'cd'\nidx2char = {i: c for i, c in enumerate(LETTERS)}",
        "LETTERS = 'ab'\nLETTERS += 'c'\nCHARS = list(LETTERS)",
        "LETTERS = ['a', 'b']\nLETTERS.insert(0, '-')\nCHARS = [c for c in LETTERS]",
        "LETTERS = {0: 'a', 1: 'b'}\nLETTERS[2] = 'c'\nCHARS = [c for c in LETTERS.values()]",
        "CHARS = list('abc')\nCHARS.insert(0, '-')",
        "CLASSES = ['dark', 'bright']\nCLASSES.append('none')",
        "CLASSES = ['dark', 'bright']\nCLASSES += ['none']",
        "CLASSES = ['dark', 'bright']\n\n\ndef more():\n    global CLASSES\n    CLASSES = []",
        "for LETTERS in ('ab', 'cd'):\n    pass\nLETTERS = 'ab'\nCHARS = list(LETTERS)",
        "class Config:\n    CLASSES = ['dark', 'bright']\nConfig.CLASSES.append('none')",
        "class Config:\n    CLASSES = ['dark', 'bright']\nConfig.CLASSES[0] = 'none'",
        "class Config:\n    CLASSES = ['dark', 'bright']\nConfig.CLASSES += ['none']",
        "class One:\n    CLASSES = ['dark', 'bright']\n    CLASSES = ['a', 'b']",
        "class One:\n    CLASSES = ['dark', 'bright']\n    CLASSES.sort()",
        "class One:\n    CLASSES = ['dark', 'bright']\n    CLASSES += ['none']",
        "class One:\n    CLASSES = ['dark', 'bright']\n    for n in 'ab':\n        CLASSES.append(n)",
        "class One:\n    CLASSES = ['dark', 'bright']\nsetattr(One, 'CLASSES', [])",
        "import random\nclass One:\n    CLASSES = ['dark', 'bright']\nrandom.shuffle(One.CLASSES)",
        "CHARS = [c for c in CHARS]",
        "CHARS = list(CHARS)",
        "A = B\nB = A\nCHARS = list(A)",
        "CHARS = [c for c in 'abc' if c != 'b']",
        "CHARS = [c for c in 'abc' for d in 'de']",
        "CHARS = [[c for c in 'ab'] for d in 'cd']",
        "CHARS = list(set('abc'))",
        "CHARS = [c for c in set('abc')]",
        "CHARS = list({'a', 'b'})",
        "LETTERS = {'a', 'b'}\nidx2char = dict(enumerate(LETTERS))",
        "CHARS = {c for c in 'abc'}",
        "def enumerate(names):\n    return []\n\n\nidx2char = dict(enumerate('ab'))",
        "from other import reversed\n\nCHARS = list(reversed('ab'))",
        "list = sorted\nCHARS = list('ba')",
        "from other import LETTERS\n\nCHARS = list(LETTERS)",
        "CHARS = list(open('names').read())",
        "CHARS = [c.upper() for c in 'abc']",
        "CHARS = list('0123456789')",
        "CHARS = {i: str(i) for i in range(9)}",
        "idx2char = {2 * i: c for i, c in enumerate('abc')}",
        "idx2char = {0: 'a', 5: 'b'}",
        "char2idx = {c: i for i, c in enumerate('abc')}",
        "idx2char = {i: [c] for i, c in enumerate('abc')}",
        "idx2char = {10 ** 30 + i: c for i, c in enumerate('abc')}",
        "CHARS = list('a')",
        "CHARS = list()",
        "CHARS = dict(a=1)",
        "CHARS = list('ab', 'c')",
        "CHARS = list(5)",
        "CHARS = {**{}, 'x': y for}",
    ],
)
def test_what_is_no_table_of_names_or_not_surely_this_one(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, text) == []


HUGE = {
    "range": "CHARS = ['c%d' % n for n in range(10**9)]",
    "repeated": "CHARS = list('a' * 10**9)",
    "repeated backwards": "CHARS = list(10**9 * 'ab')",
    "repeated list": "CHARS = ['a', 'b'] * 10**9",
    "wide": "CHARS = ['%999999999d' % n for n in range(3)]",
    "wide by argument": "CHARS = ['%*d' % (999999999, n) for n in range(3)]",
    "power": "CHARS = list(str(9 ** 9 ** 9))",
    "shifted": "CHARS = list(str(1 << 10**9))",
    "nested": "CHARS = [[[c for c in range(2000)] for d in range(2000)] for e in range(2000)]",
    "nested in calls": "CHARS = list(str([[c for c in range(2000)] for d in range(2000)]))",
    "doubled": "\n".join(["A0 = 'ab'", *(f"A{n + 1} = {' + '.join([f'A{n}'] * 60)}" for n in range(5)), "CHARS = list(A5)"]),
    "listed": "\n".join(["A0 = 'ab'", *(f"A{n + 1} = [{', '.join([f'A{n}'] * 60)}]" for n in range(5)), "CHARS = list(A5)"]),
    "starred": "A = list('ab' * 900)\nCHARS = [" + "*A, " * 3000 + "]",
    "bound by what it is called": "c = [x for x in range(1999)]\nCHARS = [c for c in c]",
    "deep": "CHARS = " + "list(" * 90 + "'ab'" + ")" * 90,
    "deeper": "CHARS = [c for c in " + "(" * 150 + "'ab'" + ",)" * 150 + "]",
    "long": "CHARS = [" + " + ".join(["'a'"] * 3000) + " for c in range(2000)]",
    "sums": "CHARS = sum([['a', 'b'] * 4000 for c in range(2000)], [])",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=list(HUGE))
def test_what_would_grow_beyond_measure_is_left_alone_soon(tmp_path: Path, text: str) -> None:
    began = time.monotonic()
    told(tmp_path, text)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "text",
    [
        "import sys\n\nif len(sys.argv) > 1:\n    CLASSES = ['dark', 'bright']\nelse:\n    CLASSES = list('ab')",
        "CLASSES = ['dark', 'bright']\nCLASSES = ['background'] + CLASSES[::-1]",
        "CLASSES = ['dark', 'bright']\n\n\ndef widen():\n    CLASSES.insert(0, 'background')",
        "CLASSES = ['dark', 'bright']\n\n\ndef widen():\n    CLASSES[0] = 'background'",
    ],
)
def test_a_name_whose_value_is_not_settled_names_nothing(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, text) == []


def test_a_list_of_a_functions_own_is_another(tmp_path: Path) -> None:
    text = "CLASSES = ['dark', 'bright']\n\n\ndef count():\n    CLASSES = []\n    CLASSES.append('x')"
    assert told(tmp_path, text) == [(0, ["dark", "bright"])]


def test_the_same_names_numbered_otherwise_are_another_table(tmp_path: Path) -> None:
    text = "CHARS = list('ab')\nidx2char = {i + 1: c for i, c in enumerate(CHARS)}\nALPHABET = ['a', 'b']"
    assert told(tmp_path, text) == [(0, ["a", "b"]), (1, ["a", "b"])]


@pytest.mark.parametrize("name", ["int_to_char.json", "idx2label.json", "my_id_to_word.json", "INDEX_TO_NAME.json"])
def test_a_file_whose_table_is_called_by_number(tmp_path: Path, name: str) -> None:
    [one] = labels(tmp_path, **{name: json.dumps({"1": "a", "2": "b", "10": "k", **{str(n): chr(96 + n) for n in range(3, 10)}})})
    assert (one.where, one.first, one.count, one.names) == (f"t/{name}:1", 1, 10, list("abcdefghij"[:9]) + ["k"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("char_to_int.json", {"a": 0, "b": 1}),
        ("int_to_char.json", {"0": "a", "7": "b"}),
        ("int_to_char.json", {"0": "a", "00": "b"}),
        ("int_to_char.json", {str(10**30): "a", str(10**30 + 1): "b"}),
        ("int_to_char.json", {"9" * 5000: "a", "1": "b"}),
        ("int_to_char.json", {"0": ["a"], "1": ["b"]}),
        ("int_to_char.json", {"0": "1", "1": "2"}),
        ("int_to_char.json", {"0": None, "1": "b"}),
        ("int_to_char.json", {"one": "a", "two": "b"}),
        ("int_to_char.json", {}),
        ("int_to_char.json", 7),
        ("point2d.json", {"0": "a", "1": "b"}),
    ],
)
def test_a_file_that_holds_no_such_table(tmp_path: Path, name: str, content: object) -> None:
    assert labels(tmp_path, **{name: json.dumps(content)}) == []
