"""What a statement reads and changes, and the slice backward from some names."""

import ast

import pytest

from assay.drafts import layout, texts
from assay.drafts.flow import Line, backward, kills, writes
from assay.drafts.reading import exposed, names


def lines(text: str) -> list[Line]:
    marked = ast.parse(text)
    for node in ast.walk(marked):
        if isinstance(node, ast.Name) and node.id not in ("print", "range", "len", "cv2", "open"):
            node.id += "§0"
    return [Line(node, f"a.py:{node.lineno}") for node in marked.body]


def kept(text: str, *wanted: str) -> list[str]:
    found, _ = backward(lines(text), {f"{w}§0" for w in wanted})
    return [ast.unparse(line.node).replace("§0", "") for line in found]


def test_only_what_a_name_rests_on_is_kept() -> None:
    assert kept("a = 1\nb = 2\nc = a + 1\nprint(b)", "c") == ["a = 1", "c = a + 1"]
    assert kept("a = 1\na = 2\nb = a", "b") == ["a = 2", "b = a"]


@pytest.mark.parametrize("change", ["a += 1", "a[0] = 1", "a.x = 1", "a.append(1)", "a.mul_(2)", "cv2.flip(a, 1, a)"])
def test_changes_in_place_are_kept(change: str) -> None:
    assert kept(f"a = f()\n{change}\nb = a", "b") == ["a = f()", change, "b = a"]


@pytest.mark.parametrize("shown", ["print(a)", "cv2.imshow('x', a)", "a.show()", "log.info(a)"])
def test_showing_is_not_a_change(shown: str) -> None:
    assert kept(f"a = f()\n{shown}\nb = a", "b") == ["a = f()", "b = a"]


def test_a_function_may_fill_a_list_that_it_is_given() -> None:
    assert kept("a = []\nn = fill(1, a)\nb = a", "b") == ["a = []", "n = fill(1, a)", "b = a"]


def test_blocks_are_pruned() -> None:
    text = "a = []\nfor x in y:\n    t = x + 1\n    print(t)\n    if t < 0:\n        continue\n    a.append(t)\n"
    assert kept(text, "a")[1] == "for x in y:\n    t = x + 1\n    if t < 0:\n        continue\n    a.append(t)"
    assert kept("a = 1\nfor x in y:\n    if x:\n        continue\n    print(x)", "a") == ["a = 1"]


def test_what_is_read_before_it_is_bound() -> None:
    loop = ast.parse("for x in xs:\n    y = x + k\n    z = y").body[0]
    assert exposed(loop) == {"xs", "k"}
    assert names(ast.parse("[a + b for a in c if a]", mode="eval").body) == {"b", "c"}
    assert names(ast.parse("lambda a: a + b", mode="eval").body) == {"b"}
    branch = ast.parse("if t:\n    a = 1\nelse:\n    a = 2").body[0]
    assert kills(branch) == {"a"} and writes(branch) == {"a"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("'%s %.2f' % (label, score)", [("label", "label"), ("score", "score")]),
        ("f'{names[int(c)]} {conf:.2f}'", [("label", "names[int(c)]"), ("score", "conf")]),
        ("'{:.4f}'.format(b[4])", [("score", "b[4]")]),
        ("name + ' ' + str(round(p, 2))", [("label", "name"), ("score", "p")]),
        ("f'{p * 100:.1f}%'", [("score", "p")]),
        ("boxes", []),
    ],
)
def test_what_a_text_shows(text: str, found: list[tuple[str, str]]) -> None:
    parts = texts.parts(ast.parse(text, mode="eval").body)
    assert [(p.role, ast.unparse(p.value)) for p in parts] == found


def test_long_lines_are_broken_at_their_brackets() -> None:
    line = "    value = function(first_argument, second=other(1, 2), third=[a for a in range(10)])"
    broken = layout.fitted(line, 60)
    assert broken[0] == "    value = function(" and broken[-1] == "    )"
    assert "        second=other(1, 2)," in broken
    assert layout.fitted("short = 1", 60) == ["short = 1"]
    assert ast.dump(ast.parse("\n".join(broken).strip())) == ast.dump(ast.parse(line.strip()))
