"""Code is digested by its syntax tree: comments change nothing, what a function leans on changes it."""

import ast
import json
import shutil
import sys
from pathlib import Path

import pytest

from assay import code, plan
from assay.code import OwnCode
from assay.digests import Digests
from assay.errors import WrongInput

ADAPTER = '''
"""Doc."""
import numpy as np
from scale import to_unit

FULL = 255
OTHER = 1


def _helper(x):
    return x / FULL


def preprocess(path, *, gain=1.0, size=(4, 4), odd=OTHER):
    return _helper(path) * gain


def postprocess(outputs, ctx, *, bias=0.0):
    return outputs, bias
'''


def digests(text: str) -> dict[str, str]:
    return code.functions(ast.parse(text))


SAME = {
    "comment": ("def _helper(x):\n", "def _helper(x):  # why\n"),
    "blank lines": ("\n\ndef preprocess", "\n\n\n\n\n\ndef preprocess"),
    "spaces": ("x / FULL", "x   /   FULL"),
    "brackets": ("return x / FULL", "return (x / FULL)"),
    "unused constant": ("OTHER = 1", "OTHER = 1\nNEVER = 3"),
}


@pytest.mark.parametrize("what", SAME)
def test_what_changes_no_meaning_changes_no_digest(what: str) -> None:
    assert digests(ADAPTER) == digests(ADAPTER.replace(*SAME[what]))


CHANGED = {
    "body": ("* gain\n", "* gain + 1\n", {"preprocess"}),
    "helper": ("x / FULL", "x * FULL", {"preprocess"}),
    "constant behind the helper": ("FULL = 255", "FULL = 250", {"preprocess"}),
    "default": ("bias=0.0", "bias=0.1", {"postprocess"}),
    "default by name": ("OTHER = 1", "OTHER = 2", {"preprocess"}),
    "a statement that acts on import": ("FULL = 255", "FULL = 255\nnp.seterr(all='raise')", {"preprocess", "postprocess"}),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_a_function_leans_on_changes_it_and_no_other(what: str) -> None:
    old, new, names = CHANGED[what]
    before, after = digests(ADAPTER), digests(ADAPTER.replace(old, new))
    assert {n for n in before if before[n] != after[n]} == names


def test_names_lines_imports_and_keywords() -> None:
    tree = ast.parse(ADAPTER)
    assert set(code.functions(tree)) == {"preprocess", "postprocess"}
    assert code.imports(tree) == ["numpy", "scale"]
    assert code.keywords(tree, "preprocess") == {"gain": 1.0, "size": (4, 4), "odd": ...}
    assert code.keywords(tree, "draw") == {}
    assert code.lines(tree)["_helper"] == ADAPTER[: ADAPTER.index("def _helper")].count("\n") + 1


@pytest.mark.parametrize("text", ["def f(:\n", "\0", "x = (" * 300, b"\xff\xfe\xff"])
def test_what_is_no_python_is_one_clear_line(text: "str | bytes") -> None:
    with pytest.raises(WrongInput, match=r"adapter\.py"):
        code.parse_text(text, "adapter.py")


# ---------------------------------------------------------------- assay's own code
def test_every_stage_has_a_closure_that_holds_itself() -> None:
    own = OwnCode(Digests(), None)
    for stage in plan.STAGES:
        if not stage.not_yet:
            closure = own.of(f"assay.stages.{stage.name}")
            assert f"assay.stages.{stage.name}" in closure
            others = {f"assay.stages.{s.name}" for s in plan.STAGES} - {f"assay.stages.{stage.name}"}
            assert not others & set(closure), f"{stage.name} would be stale with another stage's code"
        for verb in stage.worker.split():
            assert f"assay_worker.{verb}" in own.worker(verb)


def test_the_engine_and_the_doors_are_no_part_of_any_stage() -> None:
    own = OwnCode(Digests(), None)
    whole = set().union(*(own.of(f"assay.stages.{s.name}") for s in plan.STAGES if not s.not_yet))
    for outside in ("assay.engines.doit", "assay.engines.progress", "assay.cli", "assay.door", "assay.summary", "assay.stamp"):
        assert outside not in whole


def test_what_was_parsed_is_remembered_and_junk_is_not_believed(tmp_path: Path) -> None:
    cache, file = tmp_path / "code.json", tmp_path / "theirs.py"
    file.write_text("import os\n")
    first = OwnCode(Digests(), cache)
    wanted, ours = first.state_of(file), first.of("assay.stages.metrics")
    first.save()
    whole = cache.read_bytes()
    assert b"assay" not in whole, "our own files are remembered once, beside their bytecode"
    for junk in (whole, b"", b"\0", b"[]", b"5", b'{"a": 5}', b'{"a": [1, 2]}', b'{"a": []}', whole[:-9], b"[" * 50_000):
        cache.write_bytes(junk)
        again = OwnCode(Digests(), cache)
        assert (again.state_of(file), again.of("assay.stages.metrics")) == (wanted, ours)
    shutil.rmtree(tmp_path)
    first.save()  # a cache that cannot be written costs time only


def test_our_own_files_are_remembered_beside_their_bytecode_for_this_very_way_of_parsing() -> None:
    digests = Digests()
    place = code.beside(digests)
    assert place is not None and place.parent.name == "__pycache__"
    assert sys.implementation.cache_tag in place.name and str(digests.of(code.__file__))[:8] in place.name
    known = json.loads(place.read_text())
    for path in (Path(code.__file__), code.WORKER / "match.py"):
        assert known[digests.of(str(path))][0] == code.tree_digest(code.parse(path, path.name))
