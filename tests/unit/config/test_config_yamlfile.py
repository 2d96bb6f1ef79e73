"""The YAML tree: what is read, what is refused, and that nothing else ever happens."""

import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.config import yamlfile
from assay.config.faults import Faults
from assay.errors import WrongInput

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]


def plain(node: yamlfile.Node) -> object:
    if isinstance(node, yamlfile.Map):
        return {key.value: plain(value) for key, value in node.value}
    if isinstance(node, yamlfile.List):
        return [plain(item) for item in node.value]
    return node.value


def test_scalars_stay_as_written() -> None:
    node = yamlfile.parse(b"a: 0123456\nb: 1.10\nc: on\nd: 12:30\ne: 2026-11-20\nf: 1e3\ng: ~\n", "x")
    assert plain(node) == {
        "a": "0123456",
        "b": "1.10",
        "c": "on",
        "d": "12:30",
        "e": "2026-11-20",
        "f": "1e3",
        "g": "~",
    }


def test_nodes_know_their_place() -> None:
    node = yamlfile.parse(b"a: 1\nb:\n  - x\n  - {c: 'y'}\n", "x")
    assert isinstance(node, yamlfile.Map)
    (_, one), (key, items) = node.value
    assert (one.line, one.column, one.kind) == (1, 4, "text")
    assert (key.line, key.column, items.kind, items.line) == (2, 1, "list", 3)
    assert isinstance(items, yamlfile.List)
    inner = items.value[1]
    assert isinstance(inner, yamlfile.Map)
    assert inner.value[0][1] == yamlfile.Text(4, 9, "y", True)


def test_null_only_without_quotes() -> None:
    node = yamlfile.parse(b"a:\nb: null\nc: 'null'\nd: ''\n", "x")
    assert isinstance(node, yamlfile.Map)
    assert [yamlfile.is_null(value) for _, value in node.value] == [True, True, False, False]


def test_bom_and_windows_lines() -> None:
    assert plain(yamlfile.parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "x")) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("loader", LOADERS)
def test_both_parsers_say_the_same(loader: object) -> None:
    for text in (
        "a: @x\n",
        "a: [1, 2\nb: 3\n",
        "a: 'x\n",
        "t:\n  m: >= 0.6\n",
        "a: *.pt\n",
        "a: b: c\n",
        "a:\n\tb: 1\n",
    ):
        heard = []
        for each in (loader, LOADERS[0]):
            faults = Faults("x")
            yamlfile.tree(text, faults, each)
            heard.append([str(fault) for _, fault in faults.found])
        assert heard[0] == heard[1] != [], text


@pytest.mark.parametrize("loader", LOADERS)
def test_both_parsers_refuse_hostile_text_quickly(loader: object) -> None:
    lol = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    keys = ", ".join(f"k{n}: v" for n in range(2000))
    merge = "a: &a {" + keys + "}\nb: {<<: [" + ", ".join(["*a"] * 2000) + "]}\n"
    for text in (lol, merge, "[" * 20_000, "a: " + "{a: " * 20_000, "? " * 20_000, "- " * 20_000, '"\\UFFFFFFFF"'):
        before, faults = time.process_time(), Faults("x")
        yamlfile.tree(text, faults, loader)
        assert faults.found, text[:40]
        assert time.process_time() - before < 2, text[:40]


@settings(max_examples=300, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet="ab01:-?[]{},&*!|>'\"%@`#~<\\ \n\t\r\u2028\x85", max_size=80)))
@example(b'a: "\\ud800"')
@example(b"%YAML 99999999999999999999.1\n---\na: b")
@example(b"\xff\xfea\x00")
@example(b"\xef\xbb\xbf")
def test_parse_raises_nothing_but_wrong_input(text: "bytes | str") -> None:
    data = text if isinstance(text, bytes) else text.encode()
    try:
        assert yamlfile.parse(data, "x").kind == "map"
    except WrongInput as fault:
        assert str(fault).startswith("x:")


@settings(max_examples=150, deadline=None, database=None)
@given(st.text(alphabet="ab01:-?[]{},&*!|>'\"%@`#~<\\ \n\t\r", max_size=80))
def test_the_python_parser_raises_nothing_at_all(text: str) -> None:
    yamlfile.tree(text, Faults("x"), yaml.SafeLoader)
