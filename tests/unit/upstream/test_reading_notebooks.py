"""Notebooks: their code as one documented use, when it uses the tree and trains nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.upstream import scripts, snippets
from assay.upstream.notebooks import code


def notebook(*cells: Any, **metadata: Any) -> str:
    made = [{"cell_type": "code", "source": cell} if isinstance(cell, (str, list)) else cell for cell in cells]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4})


def test_cells_follow_each_other_without_prose_and_magic():
    text = notebook({"cell_type": "markdown", "source": "# How"}, ["import net\n", "%matplotlib inline\n", "!pip install x"],
                    "%%time\nnet.run()\n", "%%bash\nrm -rf x", "  ")  # fmt: skip
    assert code(text) == "import net\n\n\nnet.run()\n"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"cells": 1}', notebook("x", kernelspec={"language": "julia"}), "[" * 100_000],
)
def test_what_is_no_notebook_of_python(text):
    assert code(text) == ""


def test_odd_cells_do_no_harm():
    assert code(notebook(7, {"cell_type": "code"}, {"cell_type": "code", "source": 3})) == "3\n"


def test_the_likeliest_notebook_that_uses_the_tree_is_a_use(tmp_path: Path):
    texts = {
        "Anchors.ipynb": notebook("import net\n"),
        "Inference.ipynb": notebook("import net\nnet.run('a.png')\n"),
        "Train.ipynb": notebook("import net\nnet.loss().backward()\n"),
        "Other.ipynb": notebook("import elsewhere\n"),
    }
    for name, text in {**texts, "net.py": "def run(path): ...\n"}.items():
        (tmp_path / name).write_text(text)
    found = scripts.read({"t": tmp_path}, ["t/net.py"], [], [f"t/{name}" for name in texts])
    shown = snippets.shown(found.texts, found.notebooks, ["t/net.py"])
    assert [(s.path, s.line) for s in shown] == [("t/Inference.ipynb", 1), ("t/Anchors.ipynb", 1)]
