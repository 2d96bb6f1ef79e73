"""What makes a workspace stand alone: reproduce.sh and the program behind it."""

from pathlib import Path

from assay import files
from assay.journal import Journal
from assay.workspace import Workspace

PROGRAM = Path(__file__).parent / "worker" / "reproduce.py"
SHELL = """#!/bin/sh
# Repeats what this folder reports, without assay:   scripts/reproduce.sh CHECKPOINT [PYTHON]
# Needs the same checkpoint (by SHA-256) and an interpreter that satisfies deps.lock; says which of the two is missing.
here=$(cd "$(dirname "$0")/.." && pwd) || exit 2
[ $# -ge 1 ] || { echo "usage: scripts/reproduce.sh CHECKPOINT [PYTHON]" >&2; exit 2; }
exec "${2:-python3}" -I "$here/scripts/reproduce.py" "$here" "$1"
"""


def write(workspace: Workspace, journal: Journal) -> None:
    """Leave the means to repeat, once there is something to repeat."""
    if "infer" not in journal.entries:
        return
    shell = workspace.at("scripts/reproduce.sh")
    for path, text in ((shell, SHELL), (workspace.at("scripts/reproduce.py"), PROGRAM.read_text("utf-8"))):
        if not path.exists() or path.read_text("utf-8", "replace") != text:
            files.write(path, text, durable=False)
    shell.chmod(0o755)
