"""An adapter that goes wrong in every way: one clear line, the culprit named, nothing of it believed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import plan
from door_said import refused, same_as_golden
from tiny import ADAPTER, built, copy_repo, doit, edit, journal, make_repo, tool, workspace

TO_DECODE = [s.name for s in plan.needed(["decode"])]
RETURN = 'return {"image": to_unit(grey)[None, None] * np.float32(gain)}, {}'
INSIDE = "    with Image.open(path) as image:\n        grey"
TOP = "import numpy as np\n"

# what is wrong: (text in the adapter, what stands there instead, exit code)
SPOILT = {
    "syntax_error": ("def _softmax(logits):", "def _softmax(logits:", 2),
    "not_text": (ADAPTER, "x\0y", 2),
    "raises": (INSIDE, '    raise ValueError("no such colour")\n' + INSIDE, 1),
    "raises_when_imported": ("\ndef _softmax", '\nraise RuntimeError("not today")\n\n\ndef _softmax', 1),
    "multiline_message": (INSIDE, '    raise ValueError("one\\ntwo\\x1b[31mred")\n' + INSIDE, 1),
    "missing_package": (TOP, TOP + "import nowherepackage\n", 3),
    "missing_package_of_known_project": (TOP, TOP + "import librosa, soundfile\n", 3),
    "missing_package_found_late": (INSIDE, '    __import__("nowherepackage")\n' + INSIDE, 1),
    "nan_tensor": ("np.float32(gain)}", 'np.float32("nan")}', 1),
    "nan_result": ('"score": round(float(chances[best]), 6)', '"score": float("nan")', 1),
    "rank": ("[None, None] * np", "[None] * np", 1),
    "sizes": ("(4, 4)", "(5, 5)", 1),
    "tensor_name": ('{"image": to', '{"picture": to', 1),
    "no_tensors": (RETURN, "return 3", 1),
    "returns_nothing": (RETURN, "pass", 1),
    "no_json": ('"label": NAMES[best]', '"label": object()', 1),
    "no_picture": ("    return page\n", "    return None\n", 1),
    "sys_exit": (INSIDE, "    raise SystemExit(0)\n" + INSIDE, 1),
    "sys_exit_when_imported": ("\ndef _softmax", "\nimport sys\nsys.exit(0)\n\n\ndef _softmax", 1),
    "os_exit": ("\ndef _softmax", "\nimport os\nos._exit(0)\n\n\ndef _softmax", 1),
    "killed": (INSIDE, "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n" + INSIDE, 1),
    "unknown_param": ("gain=1.0", "gian=1.0", 2),
    "param_without_value": ("gain=1.0", "gain=1.0, mean", 1),
}


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which everything before the adapter's first use is built."""
    repo = make_repo(tmp_path_factory.mktemp("looked") / "repo")
    assert doit(repo, "inputs", "exp=tiny").code == 0
    return repo


@pytest.fixture
def half(looked: Path, tmp_path: Path) -> Path:
    return copy_repo(looked, tmp_path / "repo")


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_adapter(half: Path, kind: str) -> None:
    old, new, code = SPOILT[kind]
    adapter = half / "recipes/tiny/adapter.py"
    edit(adapter, old, new)
    done = doit(half, "decode", "exp=tiny", UV_NO_INDEX="1")
    if code == 3:  # the plan goes to standard output
        assert json.loads(done.out)["plans"]["tiny"]["missing"]
        done = done._replace(out="")
    refused(done, code)
    if kind != "not_text":  # Python's own words for it differ from version to version
        same_as_golden("adapter", kind, done, half)
    assert not (workspace(half) / "outputs/predictions.json").exists()
    assert "decode" not in [line["stage"] for line in journal(half) if "event" not in line]
    why = tool(half, "why", "tiny")
    assert why.code in (0, 2) and "Traceback" not in why.text and "everything is fresh" not in why.out
    adapter.write_text(ADAPTER)
    assert {"infer", "decode"} & set(built(half, "tiny", "decode"))
    assert built(half, "tiny", "decode") == []


def test_syntax_error_names_the_line(half: Path) -> None:
    edit(half / "recipes/tiny/adapter.py", "def _softmax(logits):", "def _softmax(logits:")
    (line,) = refused(tool(half, "decode", "tiny"), 2)
    number = ADAPTER.splitlines().index("def _softmax(logits):") + 1
    assert f"recipes/tiny/adapter.py:{number}: " in line


def test_a_megabyte_printed_is_kept_in_the_log_and_off_the_screen(half: Path) -> None:
    edit(half / "recipes/tiny/adapter.py", TOP, TOP + 'print("x" * (1 << 20))\nprint(\'{"protocol": 1, "ok": {}}\')\n')
    done = doit(half, "decode", "exp=tiny")
    assert done.code == 0 and len(done.text) < 4096, done.text[:500]
    assert (workspace(half) / "logs/09_infer.log").stat().st_size > 1 << 20


def test_a_package_the_tool_does_not_know_is_no_hindrance_when_it_is_there(half: Path) -> None:
    edit(half / "recipes/tiny/adapter.py", TOP, TOP + "import pluggy\n")  # comes with pytest, in no table of ours
    assert doit(half, "decode", "exp=tiny").code == 0
    assert '"pluggy":"' in (workspace(half) / "deps.lock").read_text().replace(" ", "")


def _gone(adapter: Path) -> None:
    adapter.unlink()


def _folder(adapter: Path) -> None:
    adapter.unlink()
    adapter.mkdir()


@pytest.mark.parametrize("spoil", [_gone, _folder])
def test_no_adapter_where_there_was_one(half: Path, spoil: Callable[[Path], None]) -> None:
    spoil(half / "recipes/tiny/adapter.py")
    done = doit(half, "decode", "exp=tiny")
    refused(done, 2)
    same_as_golden("adapter", f"adapter{spoil.__name__}", done, half)


def test_broken_in_place(half: Path) -> None:
    """The workspace's own copy of the adapter, spoilt by hand."""
    assert doit(half, "decode", "exp=tiny").code == 0
    place = workspace(half) / "scripts/adapter.py"
    text = place.read_text()
    place.write_text(text.replace("def _softmax(logits):", "def _softmax(logits:"))
    done = doit(half, "decode", "exp=tiny")
    refused(done, 2)
    same_as_golden("adapter", "broken_in_place", done, half)
    place.write_text(text)
    assert built(half, "tiny", "decode") == []
