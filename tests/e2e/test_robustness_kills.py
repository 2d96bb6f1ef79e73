"""Whatever kills a build, at whatever moment: what was finished stays, nothing half-built is believed, no process lives on."""

import glob
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import plan
from tiny import ADAPTER, Done, built, doit, ended, journal, kill_tree, left_behind, start, wait_for, workspace

BUILT = [s.name for s in plan.STAGES if not s.not_yet]
TIMED = {"outputs/stats.json", "outputs/samples.json", "outputs/metrics.json"}


def lines(repo: Path) -> int:
    """Count the whole lines of the journal; 0 before there is one."""
    try:
        return (workspace(repo) / "journal.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def stages(repo: Path) -> list[str]:
    """Name the finished stages, in the order in which they finished."""
    return [line["stage"] for line in journal(repo) if "event" not in line]


def outputs(repo: Path) -> dict[str, str]:
    """Give the digest of every output that two builds share."""
    found = {p: d for line in journal(repo) if "event" not in line for p, d in line["outputs"].items()}
    return {p: d for p, d in found.items() if p not in TIMED and not p.startswith("reports/")}


def killed_after(repo: Path, line: int, kill: Callable[[subprocess.Popen[bytes]], object]) -> None:
    """Start a build, let it write its line number `line`, kill it; nothing of it may be left after 2 s."""
    process = start(repo, "report", "exp=tiny")
    wait_for(lambda: lines(repo) >= line or process.poll() is not None, f"line {line}")
    kill(process)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert left_behind(repo) == []


def only_the_tool(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("kill", "first"), [(kill_tree, 0), (only_the_tool, 1)], ids=["tree", "tool"])
def test_killed_at_every_line_of_the_journal_a_build_goes_on_from_there(
    repo: Path, built_repo_outputs: dict[str, str], kill: Callable[[subprocess.Popen[bytes]], object], first: int
) -> None:
    placed, places = 0, range(first, len(BUILT), 2)  # every second line in one way, the others in the other
    for line in places:
        if lines(repo) <= line:  # the last kill came late: this place is gone
            done_before = stages(repo)
            killed_after(repo, line, kill)
            placed += 1
            assert len(stages(repo)) < len(BUILT), "the kill came too late: the build was finished"
            assert stages(repo)[: len(done_before)] == done_before
    assert placed >= len(places) - 2, "too many kills missed their place"
    before = stages(repo)
    assert built(repo) == BUILT[len(before) :]
    assert stages(repo) == BUILT, "every stage ended once: no finished work was lost"
    assert outputs(repo) == built_repo_outputs
    assert not list(workspace(repo).glob(".partial/*")) and not list(workspace(repo).rglob(".*.tmp"))
    assert built(repo) == []


@pytest.fixture(scope="session")
def built_repo_outputs(_built: Path) -> dict[str, str]:
    """What a build that nothing disturbed leaves."""
    return outputs(_built)


# ---------------------------------------------------------------- in the middle of a stage
SLOW = """
import os, time
HOLD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hold")


def hold():
    while os.path.isdir(HOLD):
        os.makedirs(os.path.join(os.environ["HOME"], "seen"), exist_ok=True)
        time.sleep(0.01)


"""


def held_repo(made_repo: Callable[..., Path]) -> Path:
    """Make a repository whose preprocess waits as long as a folder called hold is in its workspace."""
    head, rest = ADAPTER.split("def preprocess", 1)
    rest = rest.replace("    with Image.open(path)", "    hold()\n    with Image.open(path)", 1)
    return made_repo(adapter=head + SLOW.lstrip() + "def preprocess" + rest)


def held_in(repo: Path, stage: str, *words: str) -> "subprocess.Popen[bytes]":
    """Build what lies below a stage, then start a build that stands still in it."""
    below = [s for s in plan.BY_NAME[stage].after if not plan.BY_NAME[s].not_yet]
    assert doit(repo, *below, "exp=tiny").code == 0
    hold(repo)
    process = start(repo, *(words or ("report",)), "exp=tiny")
    wait_for(lambda: holding(repo) or process.poll() is not None, f"{stage} at work")
    assert process.poll() is None and stage not in stages(repo)
    return process


def hold(repo: Path) -> None:
    (workspace(repo) / "hold").mkdir()


def holding(repo: Path) -> bool:
    """Tell whether a worker stands still: it can say so in its scratch folder only, which comes and goes meanwhile."""
    return bool(glob.glob(f"{workspace(repo)}/.partial/*/.out/.worker/seen"))


def let_go(repo: Path) -> None:
    (workspace(repo) / "hold").rmdir()


@pytest.mark.parametrize("stage", ["infer", "measure"])
@pytest.mark.parametrize("kill", [kill_tree, only_the_tool], ids=["tree", "tool"])
def test_killed_inside_a_stage_only_that_stage_begins_again(
    made_repo: Callable[..., Path], stage: str, kill: Callable[[subprocess.Popen[bytes]], object]
) -> None:
    repo = held_repo(made_repo)
    process = held_in(repo, stage)
    before = stages(repo)
    kill(process)
    process.communicate(timeout=60)
    assert left_behind(repo) == [], "a worker outlived its tool"
    assert stages(repo) == before
    assert not (workspace(repo) / f"outputs/{'stats' if stage == 'measure' else stage}.json").exists()
    let_go(repo)
    assert built(repo) == [s for s in BUILT if s not in before]
    assert built(repo) == []


# ---------------------------------------------------------------- asked to stop
def said_once(done: Done, code: int) -> None:
    assert done.code == code, done.text
    assert "Traceback" not in done.text
    assert done.out == "tiny: interrupted; what was finished is kept\n"
    assert all(line.lstrip()[:1] in "✓✗!o.X" for line in done.err.splitlines()), done.err


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("stage", ["infer", "measure"])
def test_stopped_inside_a_stage_says_so_in_one_line(
    made_repo: Callable[..., Path], stage: str, number: int, code: int
) -> None:
    repo = held_repo(made_repo)
    process = held_in(repo, stage)
    before = stages(repo)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    said_once(ended(process), code)
    assert left_behind(repo) == []
    assert stages(repo) == before
    let_go(repo)
    assert built(repo) == [s for s in BUILT if s not in before]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_stopped_at_any_line_keeps_what_was_finished(repo: Path, number: int, code: int) -> None:
    for line in range(1, len(BUILT), 2):
        if lines(repo) >= line:
            continue
        process = start(repo, "report", "exp=tiny")
        wait_for(lambda line=line, process=process: lines(repo) >= line or process.poll() is not None, f"line {line}")
        os.killpg(process.pid, number)
        said_once(ended(process), code)
        assert left_behind(repo) == []
        assert len(stages(repo)) < len(BUILT)
    before = stages(repo)
    assert built(repo) == BUILT[len(before) :]
    assert stages(repo) == BUILT
