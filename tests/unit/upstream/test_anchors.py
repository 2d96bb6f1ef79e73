"""Cited lines, followed when upstream moves."""

import msgspec

from assay.records import Evidence
from assay.upstream.anchors import Anchors, digest

BEFORE = """import cv2


def load(path):
    img = cv2.imread(path)
    img = img / 255.0
    return img


def other(img):
    return img
"""


def cite(line, text="img = img / 255.0", qualname="load", path="net/a.py"):
    return Evidence(kind="source", where=f"{path}:{line}", text=text, sha256=digest(text), qualname=qualname)


def follow(evidence, **texts):
    found = Anchors({f"net/{name}.py": text for name, text in texts.items()}, ["net"]).follow(evidence)
    return found.where, found.moved


def test_an_untouched_line_is_where_it_was():
    assert follow(cite(6), a=BEFORE) == ("net/a.py:6", "")


def test_lines_put_before_it_move_it():
    assert follow(cite(6), a="# one\n# two\n" + BEFORE) == ("net/a.py:8", "moved")


def test_other_blanks_and_indentation_are_the_same_text():
    assert follow(cite(6), a=BEFORE.replace("    img = img / 255.0", "        img  =  img / 255.0")) == ("net/a.py:6", "")


def test_of_two_equal_lines_the_one_in_the_same_function_counts():
    moved = BEFORE.replace("    return img\n\n\ndef other", "    return img\n\n\ndef third(img):\n    img = img / 255.0\n\n\ndef other")
    assert follow(cite(6), a="#\n" + moved) == ("net/a.py:7", "moved")


def test_two_equal_lines_in_one_function_are_ambiguous():
    twice = BEFORE.replace("    return img\n", "    img = img / 255.0\n    return img\n", 1)
    assert follow(cite(6), a="#\n" + twice) == ("net/a.py:7", "ambiguous")


def test_text_that_went_to_another_file_is_found_there_and_text_that_is_gone_is_stale():
    assert follow(cite(6), a="x = 1\n", b=BEFORE) == ("net/b.py:6", "elsewhere")
    assert follow(cite(6), a=BEFORE.replace("255.0", "127.5")) == ("net/a.py:6", "stale")
    assert follow(cite(6), b="\n") == ("net/a.py:6", "stale")


def test_several_lines_are_found_as_one_piece():
    text = "img = cv2.imread(path)\n    img = img / 255.0"
    assert follow(cite(5, text), a="\n\n" + BEFORE) == ("net/a.py:7", "moved")


def test_a_claim_that_was_only_read_is_stale_when_its_text_is_gone():
    from assay.records import Claim

    claim = Claim(id="pre.std", value=255.0, status="read", by="reading", evidence=[cite(6)])
    anchors = Anchors({"net/a.py": "x = 1\n"}, ["net"])
    assert anchors.claim(claim).status == "stale"
    assert anchors.claim(msgspec.structs.replace(claim, status="observed")).status == "observed"


def test_what_is_no_source_is_left_alone():
    probe = Evidence(kind="probe", where="outputs/probe.json", text="x")
    assert Anchors({}, ["net"]).follow(probe) is probe
    config = Evidence(kind="source", where="folder/config.json:3", text='"size": 224')
    assert Anchors({}, ["net"]).follow(config) is config
