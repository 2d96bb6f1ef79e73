"""The adapter that runs, put together from a recipe's functions and those that were drafted."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from assay.adapters import EMPTY, Supply, composed

DRAFTED = '''\
"""How net is used."""

import math


def build(checkpoint, *, device="cpu"):
    """Return the model."""
    return "drafted model"


# upstream's way in
def preprocess(path, *, size=4):
    """Return what the model is called with."""
    return {"x": [math.floor(size)]}, {"path": path}


def infer(model, tensors):
    return {"y": tensors["x"]}


def postprocess(
    outputs,
    ctx,
    *,
    top=3,  # net/a.py:3
):
    """Return the answer."""
    return helped(outputs["y"], top)


def helped(values, top):
    return values[:top]
'''
ALL = ("build", "preprocess", "infer", "postprocess")
RECIPE = '"""Ours."""\n\n\ndef postprocess(outputs, ctx, *, digits=2):\n    return digits\n'


def loaded(text: str, name: str, folder: Path) -> ModuleType:
    (folder / f"{name}.py").write_text(text)
    module = ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that drafted is imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("drafted", None)


def test_without_recipe_or_draft_there_is_no_function() -> None:
    made = composed("", "", Supply())
    assert (made.text, made.by, made.beside, made.roots) == (EMPTY, {}, "", ())


def test_a_recipe_alone_stays_as_it_is() -> None:
    made = composed(RECIPE, "recipes/a/adapter.py", Supply())
    assert (made.text, made.by, made.beside) == (RECIPE, {"postprocess": "recipe"}, "")
    assert composed(RECIPE, "recipes/a/adapter.py", Supply(DRAFTED, ("postprocess",))).text == RECIPE


def test_a_draft_alone_is_the_adapter_with_its_imports(tmp_path: Path) -> None:
    made = composed("", "", Supply(DRAFTED, ALL, roots=("net",)))
    assert (made.text, made.beside, made.roots) == (DRAFTED, "", ("net",))
    assert made.by == dict.fromkeys(ALL, "drafted")


def test_what_did_not_stand_its_rehearsal_is_left_out(tmp_path: Path) -> None:
    made = composed("", "", Supply(DRAFTED, ("postprocess",)))
    defined = [node.name for node in ast.parse(made.text).body if isinstance(node, ast.FunctionDef)]
    assert defined == ["postprocess", "helped"] and made.by == {"postprocess": "drafted"}
    assert "# upstream's way in" not in made.text and "# net/a.py:3" in made.text
    assert loaded(made.text, "only", tmp_path).postprocess({"y": [1, 2, 3, 4]}, {}, top=2) == [1, 2]


def test_nothing_that_stood_leaves_no_function() -> None:
    made = composed("", "", Supply(DRAFTED, ()))
    assert (made.text, made.by) == (EMPTY, {})


def test_what_a_recipe_lacks_is_called_by_the_same_signature(beside: Path) -> None:
    made = composed(RECIPE, "recipes/a/adapter.py", Supply(DRAFTED, ALL, roots=("net",)))
    assert made.by == {"postprocess": "recipe", "build": "drafted", "preprocess": "drafted", "infer": "drafted"}
    assert (made.beside, made.roots) == (DRAFTED, ("net",)) and made.text.startswith(RECIPE)
    (beside / "drafted.py").write_text(made.beside)
    module = loaded(made.text, "both", beside)
    assert module.postprocess({}, {}, digits=5) == 5, "the recipe's own word comes first"
    assert module.preprocess("a.png", size=7.5) == ({"x": [7]}, {"path": "a.png"})
    assert module.preprocess("a.png")[0] == {"x": [4]}
    assert module.build("a.pth", device="cuda") == "drafted model"
    assert module.infer("any", {"x": 1}) == {"y": 1}
    assert composed("def preprocess(path):\n    return {}, {}\n", "a.py", Supply(DRAFTED, ALL)).text.count("top=top") == 1


def test_an_infer_written_for_another_build_is_not_taken() -> None:
    own = "def build(checkpoint, *, device):\n    return object()\n"
    made = composed(own, "recipes/a/adapter.py", Supply(DRAFTED, ALL))
    assert made.by == {"build": "recipe", "preprocess": "drafted", "postprocess": "drafted"}
    assert "drafted.infer" not in made.text


def test_a_recipe_that_imports_for_the_future_stays_valid(beside: Path) -> None:
    own = '"""Ours."""\n\nfrom __future__ import annotations\n\n\ndef postprocess(outputs, ctx) -> list[str] | None:\n    return None\n'
    made = composed(own, "recipes/a/adapter.py", Supply(DRAFTED, ALL))
    compile(made.text, "adapter.py", "exec")


def test_a_function_that_transformers_gives_is_said_to_be_of_transformers() -> None:
    made = composed("", "", Supply(DRAFTED, ("build", "preprocess"), by="transformers"))
    assert made.by == {"build": "transformers", "preprocess": "transformers"}
