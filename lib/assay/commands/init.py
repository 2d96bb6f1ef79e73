"""Verb init: make a folder a workspace for assay."""

from pathlib import Path

from assay import files

DODO = '''"""doit's door to assay; `assay` is the same program under its own name."""

from assay.door import members

globals().update(members(__file__))
'''
IGNORED = ("tmp/", "checkpoints/", ".doit.db*")


def run_in(folder: Path) -> int:
    """Make experiments/, recipes/, checkpoints/, dodo.py and the lines of .gitignore; change nothing that is there."""
    try:
        for name in ("experiments", "recipes", "checkpoints"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    if not (folder / "dodo.py").exists():
        files.write(folder / "dodo.py", DODO)
    ignore = folder / ".gitignore"
    lines = ignore.read_text("utf-8").splitlines() if ignore.exists() else []
    missing = [line for line in IGNORED if line not in lines]
    if missing:
        files.write(ignore, "\n".join([*lines, *missing]) + "\n")
    print("experiments/ recipes/ checkpoints/ dodo.py .gitignore")
    print("  next: put the weights into checkpoints/, then: assay new exp=NAME checkpoint=checkpoints/FILE name=MODEL")
    return 0
