"""Which file runs the model: evidence for and against, and what is said when there is none."""

import time
from pathlib import Path

import pytest

from assay.records import Entrypoint, Module
from assay.upstream import entrypoints, scripts
from assay.upstream.importing import read

GUARD = "\nif __name__ == '__main__':\n    main()\n"
RUNS = "import argparse, torch\nmodel.load_state_dict(torch.load(p))" + GUARD
TRAINS = "import argparse, torch\nloss.backward()\n" + GUARD


def ranked(tree: "dict[str, str]", document: str = "") -> list[Entrypoint]:
    modules = [Module(path=f"t/{path}", imports=read(text)[0], broken=read(text)[1]) for path, text in tree.items()]
    seen = {f"t/{path}": entrypoints.marks(text) for path, text in tree.items()}
    return entrypoints.rank(modules, seen, entrypoints.commands("t/README.md", document))


def paths(found: list[Entrypoint]) -> list[str]:
    return [entry.path.removeprefix("t/") for entry in found]


def test_the_likeliest_first() -> None:
    tree = {
        "train.py": TRAINS, "detect.py": RUNS, "test.py": RUNS, "export.py": RUNS, "models/net.py": "import torch" + GUARD,
        "tests/test_net.py": "import pytest, torch" + GUARD, "setup.py": "import setuptools", "utils/plot.py": "import cv2",
    }  # fmt: skip
    assert paths(ranked(tree))[:2] == ["detect.py", "test.py"]
    assert not {"train.py", "setup.py", "tests/test_net.py", "utils/plot.py"} & set(paths(ranked(tree)))


def test_reasons_are_said() -> None:
    (entry,) = ranked({"detect.py": RUNS}, "Run\n```\n$ python3 detect.py --img x\n```")
    assert entry.score == 15
    assert entry.reasons == [
        "a document runs it", "runs as a script", "loads a model", "imports argparse and torch", "is named detect",
    ]  # fmt: skip


def test_a_document_that_runs_a_file_counts() -> None:
    tree = {"a.py": GUARD, "tools/b.py": GUARD, "pkg/c.py": GUARD}
    assert paths(ranked(tree, "python -W ignore tools/b.py"))[0] == "tools/b.py"
    assert paths(ranked(tree, "python -m pkg.c --x"))[0] == "pkg/c.py"
    assert entrypoints.commands("t/docs/use.md", "python run.py; python ../x.py") == {
        "t/docs/run.py", "t/run.py", "t/x.py", "x.py",
    }  # fmt: skip


def test_a_script_without_a_guard() -> None:
    assert paths(ranked({"detect_imgs.py": "import argparse, cv2\nargparse.ArgumentParser()", "a.py": "import cv2"})) == [
        "detect_imgs.py"
    ]


def test_other_runtimes_and_tests_come_later() -> None:
    tree = {"tflite/inference.py": RUNS, "demo.py": RUNS, "docs/demo.py": RUNS, "test_all.py": "import unittest, torch" + GUARD}
    assert paths(ranked(tree))[0] == "demo.py" and "test_all.py" not in paths(ranked(tree))


def test_hubconf_before_a_package_and_a_package_when_there_is_no_script() -> None:
    tree = {"hubconf.py": "import torch", "clip/__init__.py": "", "clip/sub/__init__.py": "", "tests/__init__.py": ""}
    assert paths(ranked(tree)) == ["hubconf.py", "clip/__init__.py"]
    assert paths(ranked({"src/net/__init__.py": "", "train.py": TRAINS})) == ["src/net/__init__.py"]
    assert "clip/__init__.py" not in paths(ranked({**tree, "demo.py": RUNS}))


def test_ten_at_most_in_one_order_and_nothing_broken() -> None:
    tree = {f"demo{n:02}.py": RUNS for n in range(20)}
    assert paths(ranked(tree)) == paths(ranked(dict(reversed(tree.items())))) == [f"demo{n:02}.py" for n in range(10)]
    assert ranked({"detect.py": "print 'x'" + GUARD, "empty.py": ""}) == []


def test_an_installed_command_is_an_entrypoint_without_a_guard() -> None:
    tree = {"src/net/app.py": "import torch", "src/net/__init__.py": ""}
    modules = [Module(path=f"t/{path}", imports=read(text)[0]) for path, text in tree.items()]
    (entry,) = entrypoints.rank(modules, {}, {"t/src/net/app.py"}, {"t/src/net/app.py": "denoise"})
    assert entry.path == "t/src/net/app.py" and entry.score == 6
    assert entry.reasons == ["a document runs it", "is the command denoise", "lies in a folder"]


# ---------------------------------------------------------------- plain lines that load a model
PLAIN = "import torch\nfrom net import Net\nnet = Net()\nnet.load_state_dict(torch.load('net.pth'))\nprint(net('x'))\n"


def test_plain_lines_that_load_a_model_are_a_script() -> None:
    (entry,) = ranked({"go.py": PLAIN, "net.py": "import torch\nclass Net: ...\n"})
    assert (entry.path, entry.score) == ("t/go.py", 5)
    assert entry.reasons == ["loads a model", "loads a model in lines of its own"]


@pytest.mark.parametrize(
    "line",
    [
        "model = torch.jit.load('net.pt')",
        "a, b = 1, torch.load('net.pth')",
        "app.model = torch.load('net.pth')  # all of it",
        "session = onnxruntime.InferenceSession('net.onnx')",
        "net.head.load_state_dict(state)",
    ],
)
def test_a_line_that_loads(line: str) -> None:
    assert entrypoints.PLAIN in entrypoints.marks(f"import torch\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "# net = torch.load('net.pth')",
        "net = None  # torch.load('net.pth')",
        "def load():\n    net = torch.load('net.pth')",
        "class Net:\n    net = torch.load('net.pth')",
        "def load(): return net.load_state_dict(torch.load('net.pth'))",
        "if cuda:\n    net = torch.load('net.pth')",
        "net = reload('net.pth')",
        "names = numpy.load('net.npy')",
    ],
)
def test_a_line_that_loads_nothing_of_its_own(line: str) -> None:
    assert entrypoints.PLAIN not in entrypoints.marks(f"import torch\n{line}\n")


@pytest.mark.parametrize(
    "importing", ["import go", "from go import net", "from . import go", "import kit.go as g", "def late():\n    from kit.go import net"]
)
def test_a_file_that_another_imports_is_no_script(importing: str) -> None:
    assert paths(ranked({"kit/go.py": PLAIN, "use.py": importing})) == []
    assert paths(ranked({"kit/go.py": PLAIN, "use.py": importing + "\nx = 1" + GUARD}))[:1] != ["kit/go.py"]


def test_a_guard_needs_no_plain_lines() -> None:
    (entry,) = ranked({"go.py": PLAIN + GUARD})
    assert entry.reasons == ["runs as a script", "loads a model"]


def test_plain_lines_come_after_a_script_and_training_after_both() -> None:
    training = PLAIN + "loss.backward()\n"
    tree = {"detect.py": RUNS, "go.py": PLAIN, "fit.py": training, "train.py": training, "tests/go2.py": PLAIN}
    assert paths(ranked(tree))[:2] == ["detect.py", "go.py"]
    assert "train.py" not in paths(ranked(tree))


def test_a_web_service_that_loads_its_model_first() -> None:
    app = "from flask import Flask\n" + PLAIN + "app = Flask(__name__)\n@app.route('/')\ndef index():\n    return net('x')\n"
    (entry,) = ranked({"app.py": app, "net.py": "import torch"})
    assert entrypoints.PLAIN in entry.reasons
    assert ranked({"app.py": app, "wsgi.py": "from app import app\n", "net.py": "import torch"}) == []


def test_a_long_line_of_numbers_is_soon_read() -> None:
    begun = time.monotonic()
    assert entrypoints.marks('x = """\nnan, ' + "0.1, " * 200_000 + '\n"""\n') == []
    assert time.monotonic() - begun < 5


# ---------------------------------------------------------------- reading a tree
def scanned(tree: Path, files: "dict[str, bytes]", *documents: str) -> scripts.Scripts:
    for name, data in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    return scripts.read({"t": tree}, [f"t/{n}" for n in files if n.endswith(".py")], [f"t/{d}" for d in documents])


def test_every_file_is_read_or_named(tmp_path: Path) -> None:
    files = {
        "a.py": b"import torch", "latin.py": "# coding: latin-1\n# \xe9\nimport cv2".encode("latin-1"),
        "bom.py": b"\xef\xbb\xbfimport numpy", "bad.py": b"# \xe9", "no.py": b"# coding: no-such\n", "two.py": b"print 1",
        "long.py": b"#" * (1 << 20) + b"\nimport a", "README.md": b"python a.py",
    }  # fmt: skip
    found = scanned(tmp_path, files, "README.md", "gone.md")
    assert {m.path: m.broken for m in found.modules if m.broken} == {
        "t/bad.py": "not text in the encoding that it names",
        "t/long.py": "longer than 1048576 bytes",
        "t/no.py": "not text in the encoding that it names",
        "t/two.py": "not Python 3: line 1",
    }
    assert {i.module for m in found.modules for i in m.imports} == {"torch", "cv2", "numpy"}
    assert "t/a.py" in found.documented and not found.left_out


def test_moving_an_import_changes_no_digest(tmp_path: Path) -> None:
    digests = {
        text: scripts.digest(scanned(tmp_path, {"a.py": text}).modules)
        for text in (b"import a\nimport b", b"# more\n\nimport b\nimport a", b"import a\ndef f():\n    import b")
    }
    first, moved, lazy = digests.values()
    assert first == moved != lazy


def test_no_more_is_kept_than_can_be(tmp_path: Path) -> None:
    deep = {f"deep/{n}.py": b"import a" for n in range(scripts.MOST_FILES)}
    found = scanned(tmp_path, {**deep, "run.py": b"import b"})
    assert len(found.modules) == scripts.MOST_FILES and "t/run.py" in {m.path for m in found.modules}
    assert found.left_out == ["the imports of 1 Python files (more than 3000)"]
