"""Only the keys that a stage reads are compared, and the difference of two requests names each one."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.projection import differences, project, shown

DOCUMENT = {"a": {"b": 1, "c": [1, 2]}, "items": [{"id": 1, "x": 2}, {"id": 3}], "n": None}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=12,
)


def test_paths_pick_and_stars_step_into_lists() -> None:
    assert project(DOCUMENT, ["a.b"]) == {"a": {"b": 1}}
    assert project(DOCUMENT, ["items.*.id"]) == {"items": [{"id": 1}, {"id": 3}]}
    assert project(DOCUMENT, ["items.*.id", "items.*.x"])["items"][1] == {"id": 3, "x": None}
    assert project(DOCUMENT, ["*"]) is DOCUMENT
    assert project(DOCUMENT, []) == {}
    assert project(DOCUMENT, ["a", "a.b"]) == {"a": DOCUMENT["a"]}


def test_what_is_not_there_is_nothing() -> None:
    assert project(DOCUMENT, ["missing.deep", "n.x"]) == {"missing": None, "n": None}
    assert project(None, ["a.b"]) is None
    assert project({"a": 5}, ["a.b.c"]) == {"a": 5}, "a value of another kind is compared whole"


def test_differences_name_every_leaf() -> None:
    new = {"a": {"b": 2, "c": [1, 3]}, "items": [{"id": 1, "x": 2}], "n": None, "more": 1}
    assert differences(DOCUMENT, new) == [
        ("a.b", 1, 2), ("a.c.1", 2, 3), ("items", DOCUMENT["items"], new["items"]), ("more", None, 1),
    ]  # fmt: skip


def test_shown_is_short_and_printable() -> None:
    assert shown("a" * 64) == "a" * 8 and shown(None) == "nothing"
    assert shown("x\n\x1b[31m") == "x??[31m" and len(shown("y" * 500)) == 40
    assert shown({"k": [1, "ä"]}) == '{"k": [1, "ä"]}'


@given(VALUES)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_a_document_does_not_differ_from_itself_read_back(value: object) -> None:
    assert differences(value, json.loads(json.dumps(value))) == []


@given(VALUES, VALUES)
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_equal_means_no_difference_and_the_other_way_round(old: object, new: object) -> None:
    found = differences(old, new)
    assert (found == []) == (old == new) or not _tells_apart(old, new)
    for _, before, after in found:
        assert before != after


def _tells_apart(old: object, new: object) -> bool:
    """A key that is not there and one that holds nothing are the same to a stage."""
    return bool(_without_nothing(old) != _without_nothing(new))


def _without_nothing(value: object) -> object:
    if isinstance(value, dict):
        return {k: v for k, inner in value.items() if (v := _without_nothing(inner)) is not None}
    return [_without_nothing(v) for v in value] if isinstance(value, list) else value


@given(VALUES, st.lists(st.text("abc.*", max_size=6), max_size=4))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_projecting_never_fails_and_projecting_twice_changes_nothing(value: object, paths: "list[str]") -> None:
    once = project(value, paths)
    assert project(once, paths) == once
