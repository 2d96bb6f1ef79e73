"""The names that a rehearsed decoding works with, and the number of the first."""

import msgspec
import pytest

from assay.claims.found import in_order, of_draft
from assay.claims.merging import merge
from assay.claims.people import settle
from assay.domain import Confirmation
from assay.records import Draft, Labels, Observation, Source

TEXTS = {"up/words.py": "LETTERS = 'ab'\nidx2char = {i + 1: c for i, c in enumerate(LETTERS)}\n", "up/int_to_char.json": "{}"}
IMPORTED = "from words import idx2char\n\ndef postprocess(outputs, ctx):\n    return idx2char[int(outputs['y'].argmax())]\n"
OPENED = "def postprocess(outputs, ctx):\n    return json.load(open(SOURCE / 'int_to_char.json'))[str(outputs['y'].argmax())]\n"


def said(text, *labels, functions=("postprocess",)):
    draft = Draft(text=text, by="drafted", functions=list(functions), rehearsals=[])
    source = Source(files=1, by_suffix={}, python_files=[], documents=[], requirements=[], unreadable=[], labels=list(labels))
    return {c.id: c for c in of_draft(Observation(status="seen", draft=draft), source, {}, TEXTS)}


def made(first=0, where="up/words.py:2", names=("a", "b")):
    return Labels(where=where, names=list(names), count=len(names), first=first)


@pytest.mark.parametrize(("text", "where"), [(IMPORTED, "up/words.py:2"), (OPENED, "up/int_to_char.json:1")])
@pytest.mark.parametrize(("first", "reason"), [(0, ""), (1, "numbered from 1 on"), (-1, "numbered from -1 on")])
def test_names_and_the_number_of_the_first(text, where, first, reason):
    found = said(text, made(first, where))
    names, count = found["labels.names"], found["labels.count"]
    assert (names.value, names.status, names.reason) == (["a", "b"], "observed", reason)
    assert (count.value, count.reason) == (2, "") and where in [e.where for e in names.evidence]
    assert in_order(found.values()) == ([] if first else ["a", "b"])


def test_two_tables_that_are_used_are_not_chosen_between():
    assert said(IMPORTED, made(0), made(1)) == {}
    assert said(IMPORTED, made(0), made(0, names=("c", "d"))) == {}


def test_of_a_decoding_that_failed_or_uses_no_names_nothing_is_said():
    assert said(IMPORTED, made(1), functions=("preprocess",)) == {}
    assert said("def postprocess(outputs, ctx):\n    return outputs\n", made(1)) == {}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("confirm", ["a", "b"], []), ("is", ["a", "b"], []), ("is", ["-", "a", "b"], ["-", "a", "b"]), ("unknown", None, [])],
)
def test_what_a_person_says_of_numbered_names(kind, value, expected):
    claims = merge(said(IMPORTED, made(1)).values())
    settled, _ = settle(claims, [], [Confirmation(id="labels.names", kind=kind, value=value, by="ada")])
    assert in_order(settled) == expected
    assert in_order([msgspec.structs.replace(c, reason="") for c in settled if c.id == "labels.count"]) == []
