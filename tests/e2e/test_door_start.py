"""A folder of one's own: init, completion, exit codes that need an environment or a signal."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import plan
from assay.commands import VERBS
from door_said import refused, same_as_golden
from tiny import (
    BIN,
    HANG,
    doit,
    edit,
    ended,
    environment,
    journal,
    make_model,
    start,
    status,
    tool,
    wait_for,
    workspace,
)

BUILT = [s.name for s in plan.STAGES if not s.not_yet]


def test_init_in_an_empty_folder_then_new_then_report(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    done = tool(folder, "init")
    assert (done.code, done.err) == (0, "")
    assert sorted(p.name for p in folder.iterdir()) == [".gitignore", "checkpoints", "dodo.py", "experiments", "recipes"]
    (folder / ".gitignore").write_text("mine\n" + (folder / ".gitignore").read_text())
    dodo = (folder / "dodo.py").read_text()
    assert tool(folder, "init").code == 0, "again changes nothing"
    assert (folder / "dodo.py").read_text() == dodo
    assert (folder / ".gitignore").read_text().splitlines().count("tmp/") == 1
    make_model(folder / "checkpoints/a.onnx")
    done = tool(folder, "new", "exp=mine", "checkpoint=checkpoints/a.onnx", "name=tiny")
    assert done.code == 0, done.text
    edit(folder / "experiments/mine.yaml", "device: auto", "device: cpu  # ")
    done = tool(folder, "report", "mine")
    assert done.code == 0 and done.out.startswith("mine: NOT DECIDED"), done.text
    for path in done.out.splitlines()[1:]:
        assert "NOT DECIDED" in (folder / path.strip()).read_text()
    assert "nothing to do" in doit(folder, "report:mine").out, "doit is the same door here"
    listed = doit(folder, "list")
    assert listed.code == 0 and listed.out.startswith("mine  tmp/mine-"), "without any pyproject.toml"


def test_before_init(tmp_path: Path) -> None:
    for name, words in {"report": ("report", "x"), "list": ("list",)}.items():
        done = tool(tmp_path, *words)
        refused(done, 2)
        same_as_golden("start", f"before_init_{name}", done, tmp_path)


# ---------------------------------------------------------------- completion
def completed(repo: Path, script: Path, line: str, cwd: Path | None = None) -> list[str]:
    """Let a real bash complete a command line, its words broken as readline breaks them."""
    words: list[str] = []
    for part in line.split(" "):
        for i, piece in enumerate(part.replace("=", " = ").replace(":", " : ").split(" ")):
            if piece or not i:
                words.append(piece)
    if line[-1] in "=:":
        words.append("")
    program = (
        f"source {script}; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE={line!r}; COMP_POINT={len(line)}; COMPREPLY=(); compopt() {{ :; }}; "
        f"_assay {words[0]} {words[-1]!r} {words[-2]!r}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "--norc", "-c", program], cwd=cwd or repo, env=environment(), capture_output=True, text=True, check=False)
    assert done.stderr == "", done.stderr
    return sorted(done.stdout.split())


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_completion_in_bash(made_repo: Callable[..., Path], tmp_path: Path) -> None:
    repo = made_repo("tiny", "tall", "other")
    script = tmp_path / "completion.bash"
    done = tool(repo, "completion", "bash")
    assert (done.code, done.err) == (0, "")
    assert doit(repo, "completion", "bash") == done
    script.write_text(done.out)
    words = {*plan.NAMES, *VERBS, "exp="}
    assert set(completed(repo, script, "assay ")) == words
    assert completed(repo, script, "assay rep") == ["report", "reproduce"]
    assert completed(repo, script, "doit report exp=t") == ["tall", "tiny"]
    assert completed(repo, script, "doit report exp=") == ["other", "tall", "tiny"]
    assert completed(repo, script, "doit report:t") == ["tall", "tiny"]
    assert completed(repo, script, "assay report o") == ["other"]
    assert completed(repo, script, "assay report ti", cwd=repo / "upstream/data") == ["tiny"]
    assert completed(repo, script, "doit report ex") == ["exp="]
    assert completed(repo, script, "assay report exp=x") == []


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_completion_in_zsh(repo: Path, tmp_path: Path) -> None:
    script = tmp_path / "_assay"
    script.write_text(tool(repo, "completion", "zsh").out)
    done = subprocess.run(["zsh", "-f", "-c", f"source {script}; _assay_experiments"], cwd=repo, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("tiny\n", "")


def test_completion_of_zsh_names_every_word(repo: Path) -> None:
    done = tool(repo, "completion", "zsh")
    assert done.code == 0 and done.out.startswith("#compdef assay doit\n")
    assert all(f" {word}" in done.out for word in [*plan.NAMES, *VERBS])


# ---------------------------------------------------------------- exit codes
def test_a_package_is_missing_is_a_question_and_changes_nothing(repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    edit(repo / "experiments/tiny.yaml", "device: cpu", f"device: cpu\nenv: {{python: {bare}/bin/python}}")
    before = sorted(str(p) for p in bare.rglob("*"))
    for door in (doit, tool):
        done = door(repo, "report", "exp=tiny", UV_NO_INDEX="1")
        assert json.loads(done.out)["plans"]["tiny"]["choices"] == ["add", "new"]
        done = done._replace(out="")
        refused(done, 3)
    same_as_golden("start", "missing_in_a_bare_venv", done, repo)
    assert sorted(str(p) for p in bare.rglob("*")) == before
    assert {line["stage"] for line in journal(repo)} == {"checkpoint", "refs", "source"}
    assert status(repo)["deps"] == "never"
    edit(repo / "experiments/tiny.yaml", f"\nenv: {{python: {bare}/bin/python}}", "")
    assert doit(repo, "deps", "exp=tiny").code == 0


def test_a_missed_target_counts_only_when_strict(built_repo: Path) -> None:
    edit(built_repo / "experiments/tiny.yaml", 'accuracy: ">= 0.5"', 'peak_ram_mib: "<= 1"')
    done = doit(built_repo, "report", "exp=tiny")
    assert done.code == 0 and done.out.startswith("tiny: NO-GO  0 of 1 targets met"), done.text
    for done in (doit(built_repo, "report", "exp=tiny", "--strict"), tool(built_repo, "report", "tiny", "--strict"),
                 doit(built_repo, "report", "exp=tiny", "strict=1"), doit(built_repo, "report", "exp=tiny", "strict=1", "--json")):  # fmt: skip
        assert done.code == 4 and done.err == "", done.text
    assert json.loads(done.out)["exit"] == 4
    assert json.loads(done.out)["experiments"]["tiny"]["targets"][0]["status"] == "missed"
    assert doit(built_repo, "report", "exp=tiny").code == 0
    edit(built_repo / "experiments/tiny.yaml", '"<= 1"', '"<= 100000"')
    assert doit(built_repo, "report", "exp=tiny", "--strict").code == 0


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(repo: Path, number: int, code: int) -> None:
    process = start(repo, "report", "exp=tiny")
    wait_for(lambda: (repo / "tmp/.current/tiny").exists() and journal(repo), "the first stage")
    os.killpg(process.pid, number)
    done = ended(process)
    assert done.code == code and "Traceback" not in done.text, done.text
    assert done.out == "tiny: interrupted; what was finished is kept\n"


# ---------------------------------------------------------------- on a terminal and off it
def on_terminal(repo: Path, *args: str, **env: str) -> tuple[int, str]:
    """Run doit on a terminal of its own; give its exit code and what the terminal saw."""
    plain = {"TERM": "xterm", "LC_ALL": "C.UTF-8", "CI": "", "NO_COLOR": ""}
    master, slave = pty.openpty()
    process = subprocess.Popen([str(BIN / "doit"), *args], cwd=repo, env=environment(**plain | env), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:
        pass  # the last writer is gone
    os.close(master)
    return process.wait(HANG), seen.decode("utf-8", "replace")


def test_live_line_on_a_terminal_and_a_still_screen_while_measuring(repo: Path) -> None:
    edit(repo / "experiments/tiny.yaml", "seconds: 0.05", "seconds: 1.5")
    edit(repo / "recipes/tiny/adapter.py", "\ndef _softmax", "\n__import__('time').sleep(0.5)\n\n\ndef _softmax")
    code, seen = on_terminal(repo, "report", "exp=tiny")
    assert code == 0, seen
    lines = seen.split("\r\x1b[K")
    assert {" ● infer  tiny  0s", " ● decode  tiny  0s"} <= set(lines), "the live line of a stage"
    measuring = [line for line in lines if line.startswith(" ● measure")]
    assert measuring == [" ● measure  tiny  measuring, the screen keeps still"], "written once, then silence"
    assert seen.count("\x1b[32m✓\x1b[0m") == len(BUILT)
    assert "nothing to do" in on_terminal(repo, "report", "exp=tiny")[1]


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CI": "1"}], ids=str)
def test_no_colour_where_none_is_wanted(repo: Path, env: dict[str, str]) -> None:
    code, seen = on_terminal(repo, "inputs", "exp=tiny", **env)
    assert code == 0, seen
    assert "\x1b[3" not in seen
    if "NO_COLOR" not in env:
        assert "\x1b" not in seen


def test_piped_output_holds_no_escape_and_survives_ascii(repo: Path) -> None:
    done = doit(repo, "inputs", "exp=tiny", LC_ALL="C", PYTHONIOENCODING="ascii", TERM="xterm")
    assert done.code == 0 and "\x1b" not in done.text and done.text.isascii(), done.text
    edit(repo / "recipes/tiny/adapter.py", "    with Image.open(path) as image:\n        grey", '    raise ValueError("\\x1b[2J\\x07 r\\u00f6d")\n    with Image.open(path) as image:\n        grey')
    done = doit(repo, "decode", "exp=tiny", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.code == 1 and "\x1b" not in done.text and "\x07" not in done.text
    assert "Traceback (most" not in "".join(x for x in done.err.splitlines() if not x.startswith("  | "))


def test_a_closed_pipe_is_no_traceback(built_repo: Path) -> None:
    done = subprocess.run(f"{BIN}/assay list | true; {BIN}/doit list | true; {BIN}/assay report tiny | true", shell=True, cwd=built_repo, env=environment(), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr


# ---------------------------------------------------------------- less than everything is known
@pytest.fixture
def bare_repo(made_repo: Callable[..., Path]) -> Path:
    return made_repo(experiment="model: {name: something, checkpoint: weights/tiny.onnx}\ndevice: cpu\nmeasure: {seconds: 0.05}\n")


def test_a_name_alone_ends_in_both_reports_undecided(bare_repo: Path) -> None:
    done = doit(bare_repo, "report", "exp=tiny")
    assert done.code == 0 and done.out.startswith(f"tiny: NOT DECIDED  no targets set   built {len(BUILT)}"), done.text
    for name in ("experiment", "stakeholder"):
        text = (workspace(bare_repo) / f"reports/{name}-report.md").read_text()
        assert "NOT DECIDED" in text and "preprocess" in text.lower(), name
    assert doit(bare_repo, "report", "exp=tiny").err == ""


def test_weights_without_a_runner_end_in_both_reports_undecided(bare_repo: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    (bare_repo / "weights/w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    edit(bare_repo / "experiments/tiny.yaml", "tiny.onnx", "w.safetensors")
    done = doit(bare_repo, "report", "exp=tiny")
    assert done.code == 0 and done.out.startswith("tiny: NOT DECIDED"), done.text
    for name in ("experiment", "stakeholder"):
        text = (workspace(bare_repo) / f"reports/{name}-report.md").read_text()
        assert "NOT DECIDED" in text and "safetensors" in text, name
    assert tool(bare_repo, "report", "tiny", "--strict").code == 0
