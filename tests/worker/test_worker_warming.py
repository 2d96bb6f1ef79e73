"""Runs of a worker are forks of it: what the first imported is there in the next, and nothing else is otherwise."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay import bridge

WORKER = Path(bridge.SOURCE)
HERE = Path(sys.executable)
TORCH = Path(os.environ.get("ASSAY_TORCH_PYTHON", "/nowhere"))
Runs = Callable[..., "list[list[str]]"]


@pytest.fixture
def printed(ask: Any, workspace: Path) -> Runs:
    """Run a script twice, and give what each run printed."""

    def printed(
        script: str, files: "dict[str, str] | None" = None, python: Path = HERE, **keys: Any
    ) -> "list[list[str]]":
        for name, content in {"refs/net/main.py": script, "a.txt": "a", "b.txt": "b"}.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text(textwrap.dedent(content))
        for name, content in (files or {}).items():
            (workspace / "refs/net" / name).write_text(content)
        request = {"tree": "refs/net", "entry": {"script": "main.py"}, "argv": [], "inputs": ["a.txt", "b.txt"], **keys}
        outcome = ask(verb="observe", python=python, limits=bridge.Limits(seconds=60.0), **request)
        assert outcome.value is not None, bridge.tail(outcome)
        runs = outcome.value["runs"]
        assert [run["outcome"] for run in runs] == ["no-call"] * 2, runs
        return [[" ".join(map(str, e["args"])) for e in run["events"] if e["is"] == "sink"] for run in runs]

    return printed


def test_what_the_first_run_imported_is_there_in_the_second(printed: Runs) -> None:
    script = "import sys\nprint('PIL.Image' in sys.modules)\nimport PIL.Image\nprint(PIL.Image.__name__)\n"
    assert printed(script) == [["False", "PIL.Image"], ["True", "PIL.Image"]]


def test_what_is_sure_to_be_imported_is_there_in_the_first(printed: Runs) -> None:
    assert (
        printed("import sys\nprint('PIL.Image' in sys.modules)\n", warm=["PIL.Image", "is_not_there"]) == [["True"]] * 2
    )


def test_a_module_of_upstreams_is_its_own_in_every_run(printed: Runs) -> None:
    files = {"gettext.py": "WHOSE = 'upstream'\n"}  # optparse takes that of Python where it can
    assert printed("import gettext, optparse\nprint(gettext.WHOSE)\n", files) == [["upstream"]] * 2


def test_every_run_draws_anew(printed: Runs) -> None:
    first, second = printed("import numpy, random\nprint(numpy.random.rand(), random.random())\n")
    assert first != second


@pytest.mark.slow
@pytest.mark.skipif(not TORCH.exists(), reason="ASSAY_TORCH_PYTHON names none")
def test_every_run_draws_anew_from_torch(printed: Runs) -> None:
    script = "import torch\nprint(torch.rand(1).item())\n"
    runs = [printed(script, python=TORCH, warm=warm) for warm in ([], ["torch"])]
    assert len({told for run in runs for [told] in run}) == 4


def run(script: str, folder: Path) -> str:
    """Run a script that has the worker's modules and a folder of its own to import from."""
    head = f"import sys\nsys.path[:0] = [{str(WORKER)!r}, {str(folder)!r}]\n"
    done = subprocess.run([sys.executable, "-c", head + textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_links_follow_what_was_replaced(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text("def load(path):\n    return 'really ' + path\n")
    (tmp_path / "library.py").write_text("from reader import load\n")
    (tmp_path / "reader_more.py").write_text("from reader import load as own\n")
    script = """
        from assay_worker import patching
        from assay_worker.warming import Warmth
        warmth = Warmth()
        warmth.want(["library"])
        warmth.bring()
        import library, reader, reader_more
        patching.replace(reader, "load", lambda original: lambda path: "watched " + original(path))
        warmth.settle()
        print(library.load("x"), "|", reader.load("x"), "|", reader_more.own("x"))
    """
    # what the worker had before, it keeps: only what it imported for the runs is linked anew
    assert run(script, tmp_path) == "watched really x | watched really x | really x"


def test_what_leaves_a_thread_is_the_last(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "import threading\nend = threading.Event()\nthreading.Thread(target=end.wait, daemon=True).start()\n"
    )
    (tmp_path / "idle.py").write_text("")
    script = """
        from assay_worker.warming import Warmth
        warmth = Warmth()
        warmth.want(["busy", "idle"])
        warmth.bring()
        warmth.want(["idle"])
        warmth.bring()
        print("busy" in sys.modules, "idle" in sys.modules)
    """
    assert run(script, tmp_path) == "True False"


def test_after_a_run_that_left_a_thread_nothing_is_imported_for_the_next(printed: Runs) -> None:
    script = """
        import sys, threading
        print('PIL.Image' in sys.modules)
        import PIL.Image
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    """
    assert printed(textwrap.dedent(script)) == [["False"], ["False"]]


def test_what_lies_beside_the_script_goes_before_what_was_brought(printed: Runs) -> None:
    files = {"gettext.py": "WHOSE = 'upstream'\n"}
    assert printed("import gettext\nprint(gettext.WHOSE)\n", files, warm=["optparse"]) == [["upstream"]] * 2


def test_generators_that_packages_made_draw_anew(tmp_path: Path) -> None:
    (tmp_path / "chance.py").write_text(
        "import random, numpy\nONE, TWO = random.Random(), numpy.random.default_rng()\n"
    )
    script = """
        import os
        from assay_worker.warming import Warmth
        warmth = Warmth()
        warmth.want(["chance"])
        warmth.bring()
        for _ in range(2):
            if not os.fork():
                warmth.settle()
                import chance
                print(chance.ONE.random(), chance.TWO.random(), flush=True)
                os._exit(0)
            os.wait()
    """
    first, second = run(script, tmp_path).splitlines()
    assert not set(first.split()) & set(second.split())


def test_of_what_fails_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/__init__.py").write_text("from broken import part\nraise RuntimeError('no CUDA')\n")
    (tmp_path / "broken/part.py").write_text("")
    (tmp_path / "whole.py").write_text("")
    script = """
        from assay_worker.warming import Warmth
        warmth = Warmth()
        warmth.want(["broken", "broken.part", "whole"])
        warmth.bring()
        print([name for name in ("broken", "broken.part", "whole") if name in sys.modules])
    """
    assert run(script, tmp_path) == "['whole']"


def test_a_variable_that_upstream_sets_is_set_when_its_packages_are_imported(tmp_path: Path) -> None:
    (tmp_path / "backed.py").write_text("import os\nBACKEND = os.environ.get('BACKEND', 'none')\n")
    script = """
        import os, types
        from assay_worker.tree_copy import Tree
        from assay_worker.warming import Warmth
        warmth, tree = Warmth(), Tree("/nowhere/net", "/nowhere/scratch", "", "")
        warmth.settle()
        os.environ["BACKEND"], os.environ["CACHE"] = "torch", tree.root + "/cache"
        told = warmth.told(tree)
        print(told["variables"])
        del os.environ["BACKEND"]
        warmth.hear({**told, "installed": ["backed"]})
        warmth.bring()
        print(sys.modules["backed"].BACKEND, "BACKEND" in os.environ)
    """
    assert run(script, tmp_path).splitlines() == ["{'BACKEND': 'torch'}", "torch False"]
