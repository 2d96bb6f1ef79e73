"""The workspace: movable, repeatable without assay, its READMEs the user's, its reports the same bytes."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import layout
from tiny import BIN, add_experiment, built, doit, edit, environment, journal, make_model, tool, workspace

REPORTS = ("reports/experiment-report.md", "reports/stakeholder-report.md")


def reports(repo: Path) -> list[bytes]:
    return [(workspace(repo) / path).read_bytes() for path in REPORTS]


# ---------------------------------------------------------------- reports
def test_same_outputs_same_bytes(built_repo: Path) -> None:
    before = reports(built_repo)
    for path in REPORTS:
        (workspace(built_repo) / path).unlink()
    assert built(built_repo) == ["report"]
    assert reports(built_repo) == before


def test_the_repository_moved_elsewhere_has_nothing_to_do(built_repo: Path, tmp_path: Path) -> None:
    before = reports(built_repo)
    other = tmp_path / "another place/repo"
    other.parent.mkdir()
    shutil.move(built_repo, other)
    assert built(other) == []
    shutil.rmtree(workspace(other) / "reports")
    assert built(other) == ["report"]
    assert reports(other) == before
    assert built(other) == []


def test_the_notes_of_the_author_reach_the_stakeholder_report(built_repo: Path) -> None:
    notes = built_repo / "experiments/tiny.notes.md"
    notes.write_text("# What I saw\n\nIt prefers **dark** pictures & <b>others</b>.\n")
    assert built(built_repo) == ["report"]
    stakeholder = reports(built_repo)[1].decode()
    assert "It prefers" in stakeholder and "What I saw" in stakeholder and "<b>" not in stakeholder
    notes.write_text("Another thought.\n")
    assert built(built_repo) == ["report"]
    assert "Another thought." in reports(built_repo)[1].decode()
    notes.unlink()
    assert built(built_repo) == ["report"]
    assert "Another thought." not in reports(built_repo)[1].decode()


# ---------------------------------------------------------------- what lies in it
def test_no_place_of_this_machine_outside_the_logs(repo: Path) -> None:
    """Also after failures, whose text the journal keeps."""
    (repo / "weights/tiny.onnx").rename(repo / "weights/kept")
    (repo / "weights/tiny.onnx").write_text("no model")
    assert doit(repo, "report", "exp=tiny").code == 2
    (repo / "weights/kept").replace(repo / "weights/tiny.onnx")
    edit(repo / "recipes/tiny/adapter.py", "    with Image.open(path) as image:\n        grey", "    open('/nowhere/' + __file__)\n    with Image.open(path) as image:\n        grey")
    assert doit(repo, "report", "exp=tiny").code == 1
    edit(repo / "recipes/tiny/adapter.py", "    open('/nowhere/' + __file__)\n", "")
    assert doit(repo, "report", "exp=tiny").code == 0
    place, home = workspace(repo), str(repo.parent).encode()
    for path in place.rglob("*"):
        if path.is_file() and path.relative_to(place).parts[0] != "logs":
            assert home not in path.read_bytes(), path
            assert sys.prefix.encode() not in path.read_bytes(), path
    assert not [p for p in place.rglob("*") if p.is_symlink() and os.path.isabs(os.readlink(p))]


def test_every_folder_says_what_belongs_there_and_keeps_a_list_of_changes(built_repo: Path) -> None:
    place = workspace(built_repo)
    for folder in ("", *layout.FOLDERS):
        text = (place / folder / "README.md").read_text()
        assert "## Changes" in text and str(built_repo) not in text, folder
    assert "report built" in (place / "reports/README.md").read_text() or "report" in (place / "reports/README.md").read_text()
    readme = place / "outputs/README.md"
    readme.write_text("My own head.\n\n" + readme.read_text() + "\nMy own foot.\n")
    (place / "raw/README.md").write_text("Only mine, no list.\n")
    (place / "inputs/README.md").unlink()
    edit(built_repo / "experiments/tiny.yaml", "gain: 1.0", "gain: 2.0")
    before = readme.read_text().count("\n- ")
    assert "infer" in built(built_repo)
    text = readme.read_text()
    assert text.startswith("My own head.\n") and text.endswith("\nMy own foot.\n") and text.count("\n- ") > before
    assert (place / "raw/README.md").read_text().startswith("Only mine, no list.\n")
    assert "## Changes" in (place / "raw/README.md").read_text() and (place / "inputs/README.md").is_file()
    assert built(built_repo) == [], "a README is nobody's input"


def test_scripts_hold_what_ran(built_repo: Path) -> None:
    scripts = workspace(built_repo) / "scripts"
    names = {p.name for p in scripts.glob("[0-9][0-9]_*.json")}
    assert {"06_probe.json", "09_infer.json", "10_decode.json"} <= names and any(n.startswith("12_measure-") for n in names)
    assert os.access(scripts / "reproduce.sh", os.X_OK) and (scripts / "adapter.py").is_file()
    assert (scripts / "worker/boot.py").is_file()


def test_a_workspace_with_a_name_of_its_own(repo: Path) -> None:
    edit(repo / "experiments/tiny.yaml", "device: cpu", "device: cpu\nworkspace: out/mine")
    assert doit(repo, "source", "exp=tiny").code == 0
    assert (repo / "out/mine/outputs/source.json").is_file() and not (repo / "tmp/.current/tiny").exists()
    assert "out/mine" in tool(repo, "list", "tiny").out


# ---------------------------------------------------------------- repeated elsewhere, without assay
@pytest.fixture
def copy(built_repo: Path, tmp_path: Path) -> Path:
    """A copy of the workspace, the checkpoint beside it, and nothing else of the repository."""
    to = tmp_path / "far away"
    to.mkdir()
    shutil.copytree(workspace(built_repo), to / "copy")
    shutil.move(built_repo / "weights/tiny.onnx", to / "weights.onnx")
    shutil.rmtree(built_repo)
    return to / "copy"


def repeat(copy: Path, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in environment().items() if k != "PYTHONPATH"}
    return subprocess.run([str(copy / "scripts/reproduce.sh"), *args], cwd=cwd or "/", env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_repeated_in_a_copy(copy: Path) -> None:
    kept = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in copy.rglob("*") if p.is_file()}
    done = repeat(copy, str(copy.parent / "weights.onnx"), str(BIN / "python"))
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[-1] == "the same"
    assert "scripts/09_infer.json: 4 files, byte for byte the same" in said
    assert any(re.match(r"scripts/10_decode\.json: \d+ files, byte for byte the same", line) for line in said)
    assert any(re.match(r"scripts/12_measure\S+: end_to_end p50 [\d.e-]+ ms, recorded [\d.e-]+; [\d.e-]+ times the reference, recorded ", line) for line in said)
    assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in kept} == kept, "nothing of the evidence is written over"
    again = repeat(copy, "../weights.onnx", str(BIN / "python"), cwd=copy)
    assert again.returncode == 0, "also from within, with relative paths"


def test_another_checkpoint_is_refused(copy: Path) -> None:
    make_model(copy.parent / "other.onnx", 0.25)
    done = repeat(copy, str(copy.parent / "other.onnx"), str(BIN / "python"))
    assert done.returncode == 2 and "SHA-256" in done.stderr and "Traceback" not in done.stderr
    done = repeat(copy, str(copy.parent / "nothing.onnx"), str(BIN / "python"))
    assert done.returncode == 2 and "is not there" in done.stderr and len(done.stderr.splitlines()) == 1


def test_an_interpreter_without_the_packages_is_refused(copy: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = repeat(copy, str(copy.parent / "weights.onnx"), str(bare / "bin/python"))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for name in ("numpy", "onnxruntime", "pillow"):
        assert re.search(rf"not possible here: {name} \S+ is needed, here is nothing", done.stderr), done.stderr
    assert re.search(r"to have such an interpreter: uv venv --python \d+\.\d+ NEW && .* numpy==\S+", done.stderr)
    edit(copy / "deps.lock", '"numpy": "', '"numpy": "9')
    done = repeat(copy, str(copy.parent / "weights.onnx"), str(BIN / "python"))
    assert done.returncode == 2 and "numpy 9" in done.stderr and len(done.stderr.splitlines()) == 2


def test_missing_arguments_say_how_it_is_called(copy: Path) -> None:
    done = repeat(copy)
    assert done.returncode == 2 and "reproduce.sh" in done.stderr and "Traceback" not in done.stderr, done.stderr
    done = repeat(copy, str(copy.parent / "weights.onnx"), "/nowhere/python")
    assert done.returncode not in (0, 1) and "Traceback" not in done.stderr


def test_a_difference_is_told(copy: Path) -> None:
    edit(copy / "refs/upstream/scale.py", "255.0", "254.0")
    done = repeat(copy, str(copy.parent / "weights.onnx"), str(BIN / "python"))
    assert done.returncode == 1 and "these differ" in done.stdout and done.stdout.splitlines()[-1] == "something differs"


# ---------------------------------------------------------------- sources
def git(folder: Path, *args: str) -> str:
    env = environment(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *name, *args], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(not shutil.which("git"), reason="no git here")
def test_a_source_that_is_a_git_repository(repo: Path) -> None:
    """What git tracks is copied as it lies there; the commit, changes upon it and what was left out are recorded."""
    source = repo / "upstream"
    git(source, "init", "-q")
    git(source, "add", ".")
    git(source, "commit", "-qm", "first")
    commit = git(source, "rev-parse", "HEAD")
    (source / "scratch.txt").write_text("not tracked")
    assert built(repo, "tiny", "source") == ["checkpoint", "refs", "source"]
    refs = (workspace(repo) / "outputs/refs.json").read_text()
    assert commit in refs and "scratch.txt (not tracked by git)" in refs and '"dirty":false' in refs.replace(" ", "")
    assert not (workspace(repo) / "refs/upstream/scratch.txt").exists() and not (workspace(repo) / "refs/upstream/.git").exists()
    (source / "scratch2.txt").write_text("not tracked either")
    assert built(repo, "tiny", "source") == []
    edit(source / "unused.py", "return 1", "return 2")
    assert "refs" in built(repo, "tiny", "source")
    assert '"dirty":true' in (workspace(repo) / "outputs/refs.json").read_text().replace(" ", "")


def test_two_experiments_share_a_recipe_and_no_workspace(repo: Path) -> None:
    add_experiment(repo, "second")
    assert doit(repo, "decode").code == 0
    assert workspace(repo) != workspace(repo, "second")
    outputs: Callable[[str], dict[str, str]] = lambda name: {p: d for e in journal(repo, name) for p, d in e["outputs"].items() if "outputs/" in p}  # noqa: E731
    assert outputs("tiny") == outputs("second"), "no record names its experiment"
