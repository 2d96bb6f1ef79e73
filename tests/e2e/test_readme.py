"""What README and the recipe page tell to type is typed, in a fresh copy of the repository; what they show comes out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import tiny

ROOT = Path(__file__).parents[2]
MARK, FRESH = "<!-- runnable -->", "<!-- runnable on a fresh machine -->"
FENCE = re.compile(r"^(<!-- [a-z ]+ -->)\n```sh\n(.*?)^```$|^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A shell block, and the text blocks behind it that show what comes out."""

    mark: str
    script: str
    shown: list[str]


def blocks(page: str) -> list[Block]:
    """Read the marked shell blocks of a page."""
    found: list[Block] = []
    for mark, script, shown in FENCE.findall((ROOT / page).read_text("utf-8")):
        if mark:
            found.append(Block(mark, script, []))
        elif found:
            found[-1].shown.extend(shown.splitlines())
    return found


def copied(to: Path) -> Path:
    """Copy what git would carry: no build output, no environment."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no telling which files belong to the repository")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def run(script: str, repo: Path, seconds: int, **env: str) -> str:
    """Run a block as one script; give what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=repo, env=tiny.environment(LC_ALL="C.UTF-8", CI="1", **env),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False,
    )  # fmt: skip
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, f"{script}\n{said}"
    return said


def plain(text: str) -> str:
    """Leave out what differs from run to run: seconds, the workspace's time, the width they take."""
    return " ".join(re.sub(r"\b\d+\.\d+s\b|(?<=-)\d{8}-\d{6}", "", text).split())


def assert_shown(block: Block, said: str) -> None:
    out = {plain(line) for line in said.splitlines()}
    for line in block.shown:
        assert plain(line) in out, f"{line!r} does not come out of\n{block.script}\n{said}"


@pytest.mark.parametrize("page", ["README.md", "docs/recipes.md"])
def test_the_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    repo = copied(tmp_path / "repo")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    typed = [block for block in blocks(page) if block.mark == MARK]
    assert len(typed) >= 2
    for block in typed:
        assert_shown(block, run(block.script, repo, 300, PATH=path, PYTHONPATH=str(repo / "lib")))


def test_the_first_lines_are_the_two_commands() -> None:
    first = blocks("README.md")[0]
    assert first.mark == FRESH
    assert first.script.splitlines() == ["python3 dodo.py report exp=yolo", "python3 dodo.py test"]


@pytest.mark.slow
def test_two_commands_on_a_fresh_machine(tmp_path: Path) -> None:
    """A real environment from the package index; the suite is narrowed, so that it does not run itself."""
    repo = copied(tmp_path / "repo")
    first = next(block for block in blocks("README.md") if block.mark == FRESH)
    base = getattr(sys, "_base_executable", sys.executable)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(base)
    build, test = first.script.splitlines()
    outside = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "", "VIRTUAL_ENV": ""}
    assert_shown(first, run(build, repo, 900, **outside))
    again = run(build, repo, 120, **outside)
    assert "nothing to do" in again
    assert "installing" not in again
    assert re.search(r"^\d+ passed", run(f"{test} tests/unit/test_docs.py", repo, 900, **outside), re.MULTILINE)
