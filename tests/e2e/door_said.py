"""What a program said, compared with tests/golden/door_*.txt; written anew with ASSAY_UPDATE_GOLDEN=1."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import BIN, HANG, Done, environment

GOLDEN = Path(__file__).parents[1] / "golden"
PROGRESS = re.compile(r"^ (✓|✗|!|●|ok|XX|!!|\.\.) ")
NORMAL = (
    (re.compile(r"([a-z]+)-\d{8}-\d{6}(-\d+)?"), r"\1-TIME"),
    (re.compile(r"(\.partial/[a-z]+)-\d+"), r"\1-PID"),
    (re.compile(r"Python \d+\.\d+\.\d+"), "Python 3.N"),
    (re.compile(r"/python3\.\d+/"), "/python3.N/"),
    (re.compile(r"python3? -m pip"), "python -m pip"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "DIGEST"),
    (re.compile(r"it begins with [0-9a-f ]+"), "it begins with BYTES"),
    (re.compile(r"(runtime failed: \w+: ).*(; see )"), r"\1...\2"),
    (re.compile(r"  +\| .*\n"), ""),  # the tail of a log: traceback lines differ between versions of Python
    (re.compile(r"^assay \d[\w.]*$", re.M), "assay VERSION"),
)


def lines(done: Done) -> list[str]:
    """Give what stands on stderr besides the stages' progress."""
    return [line for line in done.err.splitlines() if not PROGRESS.match(line)]


def ran(done: Done) -> list[str]:
    """Name the stages that ran, in order; who waited for whom is left out."""
    return [line.split()[1] for line in done.err.splitlines() if PROGRESS.match(line) and line.split()[0] in ("✓", "✗", "ok", "XX")]


def faults(done: Done) -> list[str]:
    """Give the lines that tell a fault."""
    return [line for line in done.err.splitlines() if line.startswith("assay: ")]


def refused(done: Done, code: int, count: int = 1) -> list[str]:
    """A program ended with a documented code and so many clear lines, each of them a fault's; no traceback."""
    assert done.code == code, done.text
    assert "Traceback" not in "\n".join(x for x in done.text.splitlines() if not x.startswith("  | ")), done.text
    assert "a bug of assay" not in done.text
    found = faults(done)
    assert len(found) == count, done.text
    rest = [line for line in lines(done) if line not in found]
    assert all(line.startswith(("  | ", "  last lines of ", "  kept: ")) for line in rest), done.text
    return found


def normal(text: str, repo: Path) -> str:
    """Take out what differs from machine to machine."""
    for place, name in ((repo, "REPO"), (repo.parent, "TMP"), (BIN, "BIN"), (Path(sys.prefix), "ENV")):
        text = text.replace(str(place), name)
    for pattern, by in NORMAL:
        text = pattern.sub(by, text)
    return text


def same_as_golden(file: str, name: str, done: Done, repo: Path) -> None:
    """Compare the exit code and everything said, progress left out, with the part called name of a golden file."""
    said = "".join(f"{line}\n" for line in lines(done) if not line.startswith("  kept: "))
    found = normal(f"exit {done.code}\n{done.out}{said}", repo)
    golden = GOLDEN / f"door_{file}.txt"
    parts = _parts(golden)
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        parts[name] = found
        golden.write_text("".join(f"=== {n}\n{t}" for n, t in sorted(parts.items())), encoding="utf-8")
    assert parts.get(name) == found


def _parts(golden: Path) -> dict[str, str]:
    text = golden.read_text(encoding="utf-8") if golden.exists() else ""
    return dict(part.split("\n", 1) for part in text.split("=== ")[1:])  # type: ignore[misc]


# ---------------------------------------------------------------- as somebody who is not root
CAPBSET_DROP, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2


def _obey_permissions() -> None:
    """Let permissions hold for root, too: the next program starts without the right to pass over them."""
    libc = ctypes.CDLL(None)
    for right in (DAC_OVERRIDE, DAC_READ_SEARCH):
        libc.prctl(CAPBSET_DROP, right, 0, 0, 0)


def doit_unprivileged(repo: Path, *args: str, forbidden: Path) -> Done:
    """Run doit as somebody for whom `forbidden` is what its mode says; skip where that cannot be had."""
    probe = "import os, sys; sys.exit(os.access(sys.argv[1], os.W_OK) or os.access(sys.argv[1], os.R_OK | os.W_OK))"
    tried = subprocess.run([str(BIN / "python"), "-c", probe, str(forbidden)], preexec_fn=_obey_permissions, check=False)
    if tried.returncode:
        pytest.skip("root passes over permissions here")
    done = subprocess.run(
        [str(BIN / "doit"), *args], cwd=repo, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
        timeout=HANG, preexec_fn=_obey_permissions, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
