"""docs/robustness.md promises a test for each row: every one of them is there and is collected under that name."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/robustness.md"
NAMED = re.compile(r"`(tests/[^`]+::[^`]+)`")


def rows(title: str) -> list[str]:
    """Give the rows of the table below a title."""
    part = PAGE.read_text("utf-8").split(f"## {title}", 1)[1].split("\n## ", 1)[0]
    return [line for line in part.splitlines() if line.startswith("| ")][1:]


def test_every_row_names_one_test() -> None:
    first, second = rows("What other build tools were seen to do wrong"), rows("What plain doit was seen to miss")
    assert [row.split("|")[1].strip() for row in first] == [str(n) for n in range(1, 19)]
    assert len(second) == 14
    for row in first + second + rows("More that is tried"):
        assert len(NAMED.findall(row)) == 1, row


def test_every_named_test_exists() -> None:
    named = set(NAMED.findall(PAGE.read_text("utf-8")))
    files = sorted({name.split("::")[0] for name in named})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", "-p", "no:cacheprovider", *files],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert named - set(done.stdout.splitlines()) == set()
