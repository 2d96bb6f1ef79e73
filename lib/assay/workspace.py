"""The folder of one experiment: where it is, how it is made, what stands in its READMEs."""

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from assay import files, layout
from assay.errors import WrongInput
from assay.journal import Journal

CURRENT = "tmp/.current"
BEGIN, END = "<!-- assay: changes, written by the tool -->", "<!-- assay: end -->"
SHOWN_CHANGES = 30


class Workspace(NamedTuple):
    """A workspace's place; relative to the repository when it lies inside."""

    root: Path
    folder: str

    @property
    def path(self) -> Path:
        """Give the folder itself."""
        return self.root / self.folder

    def at(self, relative: str) -> Path:
        """Give a file of the workspace."""
        return self.path / relative


def pointer(root: Path, experiment: str) -> Path:
    """Name the file that says which workspace is in use."""
    return root / CURRENT / experiment


def current(root: Path, experiment: str, fixed: str = "") -> Workspace | None:
    """Find the workspace in use; None when nothing was ever built."""
    if fixed:
        return Workspace(root, fixed) if (root / fixed).is_dir() else None
    try:
        folder = pointer(root, experiment).read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.cannot_write(pointer(root, experiment), error) from error
    if not re.fullmatch(r"tmp/[A-Za-z0-9][A-Za-z0-9._-]*", folder):
        raise WrongInput(
            "does not name a workspace",
            where=f"{CURRENT}/{experiment}",
            mend="delete it, or write tmp/<folder> into it",
        )
    return Workspace(root, folder)


def begin(root: Path, experiment: str, fixed: str = "") -> Workspace:
    """Settle which workspace a building command uses; of two at once, both get the first one's."""
    found = current(root, experiment, fixed)
    if found is None and not fixed:
        name = pointer(root, experiment)
        folder = f"tmp/{_fresh_name(root, experiment)}"
        aside = name.with_name(f".{experiment}.{os.getpid()}.tmp")
        try:
            name.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(folder + "\n")
            try:
                os.link(aside, name)
            except FileExistsError:
                pass  # another run was first: its answer is ours
            finally:
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise files.cannot_write(name, error) from error
        found = current(root, experiment)
    workspace = found or Workspace(root, fixed)
    make(workspace)
    return workspace


def renew(root: Path, experiment: str) -> Workspace:
    """Point the experiment at a new, empty workspace; the old one stays as it is."""
    folder = f"tmp/{_fresh_name(root, experiment)}"
    pointer(root, experiment).parent.mkdir(parents=True, exist_ok=True)
    files.write(pointer(root, experiment), folder + "\n")
    workspace = Workspace(root, folder)
    make(workspace)
    return workspace


def _fresh_name(root: Path, experiment: str) -> str:
    name = base = f"{experiment}-{time.strftime('%Y%m%d-%H%M%S')}"
    tries = 1
    while (root / "tmp" / name).exists():
        tries += 1
        name = f"{base}-{tries}"
    return name


def make(workspace: Workspace) -> None:
    """Make the standard folders."""
    try:
        for folder in layout.FOLDERS:
            workspace.at(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(workspace.path, error) from error


def write_readmes(workspace: Workspace, journal: Journal) -> None:
    """Bring every folder's Changes list up to date; text outside the markers is the user's."""
    changes = [f"- {when}: {stage} {word}" for when, stage, word in journal.history[-SHOWN_CHANGES:]]
    _write_readme(workspace.at("README.md"), "What lies here", _overview(), changes)
    for folder, purpose in layout.FOLDERS.items():
        _write_readme(
            workspace.at(f"{folder}/README.md"),
            folder,
            purpose[0].upper() + purpose[1:] + ".",
            _touching(journal, folder),
        )


def _overview() -> str:
    lines = [f"- `{folder}/`: {purpose}" for folder, purpose in layout.FOLDERS.items()]
    lines += [
        "- `deps.lock`: the interpreter and packages that gave these results",
        "- `journal.jsonl`: what was built, from what, when",
    ]
    return (
        "One experiment's evidence. The folder stands alone: `scripts/reproduce.sh CHECKPOINT` repeats it\n"
        "without assay, given the checkpoint and an interpreter that satisfies `deps.lock`.\n\n" + "\n".join(lines)
    )


def _touching(journal: Journal, folder: str) -> list[str]:
    stages = {s for s, e in journal.entries.items() if any(o.startswith(folder + "/") for o in e.outputs)}
    return [f"- {when}: {stage} {word}" for when, stage, word in journal.history if stage in stages][-SHOWN_CHANGES:]


def _write_readme(path: Path, title: str, purpose: str, changes: list[str]) -> None:
    block = f"{BEGIN}\n" + "\n".join(changes or ["- nothing yet"]) + f"\n{END}"
    try:
        old = path.read_bytes().decode("utf-8", "surrogateescape")  # the user's own text comes back byte for byte
    except OSError:
        old = ""
    if BEGIN in old and END in old.split(BEGIN, 1)[1]:
        head, rest = old.split(BEGIN, 1)
        new = head + block + rest.split(END, 1)[1]
    elif old:
        new = f"{old.rstrip()}\n\n## Changes\n\n{block}\n"
    else:
        new = f"# {title}\n\n{purpose}\n\n## Changes\n\n{block}\n"
    if new != old:
        files.write(path, new.encode("utf-8", "surrogateescape"), durable=False)


def sweep(place: Workspace) -> None:
    """Remove what a killed run left aside."""
    for folder in (".", *layout.FOLDERS):
        for aside in place.at(folder).glob(".*.tmp"):
            aside.unlink(missing_ok=True)
