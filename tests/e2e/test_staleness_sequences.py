"""Any sequence of edits, built as it comes, ends where a build from nothing of the same state ends."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assay import plan
from assay.build import Build
from assay.freshness import SETTLED
from assay.session import Session
from tiny import workspace

UP_TO = plan.needed(["decode"])  # what lies behind depends on measured times


def swap(path: str, *texts: str) -> Callable[[Path], None]:
    """Give an edit that turns the first of some texts into the next one, round and round."""

    def act(repo: Path) -> None:
        place = repo / path
        text = place.read_text()
        for old, new in zip(texts, [*texts[1:], texts[0]], strict=True):
            if old in text:
                place.write_text(text.replace(old, new))
                return
        raise AssertionError(f"none of {texts} is in {path}")

    return act


def harm(path: str, data: bytes | None) -> Callable[[Path], None]:
    """Give an edit that deletes or overwrites an output."""

    def act(repo: Path) -> None:
        place = workspace(repo) / path
        if data is None:
            place.unlink(missing_ok=True)
        else:
            place.write_bytes(data)

    return act


def build(repo: Path) -> None:
    up(repo)


EDITS: dict[str, Callable[[Path], None]] = {
    "param of decoding": swap("experiments/tiny.yaml", "bias: 0.0", "bias: 0.5"),
    "param of preprocess": swap("experiments/tiny.yaml", "gain: 1.0", "gain: 0.5", "gain: 2.0"),
    "count": swap("experiments/tiny.yaml", "count: 4", "count: 2"),
    "target": swap("experiments/tiny.yaml", ">= 0.5", ">= 0.6"),
    "postprocess": swap("recipes/tiny/adapter.py", "float(chances[best]), 6", "float(chances[best]), 3"),
    "preprocess": swap("recipes/tiny/adapter.py", "resize((4, 4))", "resize((4, 4), Image.NEAREST)"),
    "draw": swap("recipes/tiny/adapter.py", 'fill="red"', 'fill="blue"'),
    "comment": swap("recipes/tiny/adapter.py", "    best = int", "    # best\n    best =  int"),
    "imported": swap("upstream/scale.py", "FULL = 255.0", "FULL = 250.0"),
    "imported by decoding": swap("upstream/names.py", '"dark"', '"dim"'),
    "not imported": swap("upstream/unused.py", "return 1", "return 2"),
    "labels": swap("labels/tiny.json", '"a.png": "dark"', '"a.png": "bright"'),
    "raw gone": harm("raw/000.npz", None),
    "record garbage": harm("outputs/infer.json", b"\0"),
    "record gone": harm("outputs/contract.json", None),
    "journal torn": harm("journal.jsonl", b'{"stage": "infer"'),
    "build": build,
}


def up(repo: Path) -> Build:
    """Build in process what is stale, as the engine does."""
    found = Session(repo).builds(["tiny"])["tiny"]
    for stage in UP_TO:
        if found.why(stage).status not in SETTLED:
            found.lock(lambda _: None)
            found.run(stage)
    found.close()
    return found


def asked_and_left(repo: Path) -> dict[str, Any]:
    """Give for every stage what it was asked and what it left."""
    entries = Session(repo, reads_only=True).builds(["tiny"])["tiny"].journal.entries
    return {s.name: (entries[s.name].request, entries[s.name].outputs, entries[s.name].read) for s in UP_TO}


def test_any_sequence_of_edits_ends_where_a_fresh_build_ends(_built: Path) -> None:
    @given(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=6))
    @settings(max_examples=10, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    def ends(edits: list[str]) -> None:
        check(_built, edits)

    ends()


def check(base: Path, edits: list[str]) -> None:
    """Do the edits one by one, build, and compare with a build from nothing."""
    with tempfile.TemporaryDirectory(prefix="assay-seq-") as folder:
        repo, fresh = Path(folder) / "repo", Path(folder) / "fresh"
        shutil.copytree(base, repo)
        for name in edits:
            EDITS[name](repo)
        found = up(repo)
        left = {s.name: v.status for s, v in ((s, found.why(s)) for s in UP_TO) if v.status != "fresh"}
        assert left == {}, edits
        assert up(repo).ran == [], "one build is enough"
        shutil.copytree(repo, fresh, ignore=shutil.ignore_patterns("tmp"))
        up(fresh)
        assert asked_and_left(repo) == asked_and_left(fresh), edits


@pytest.mark.slow
def test_many_sequences_of_edits(_built: Path) -> None:
    @given(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=10))
    @settings(max_examples=200, deadline=None)
    def ends(edits: list[str]) -> None:
        check(_built, edits)

    ends()
