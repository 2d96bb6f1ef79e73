"""Verb verify: hash everything again and compare with the journal."""

from pathlib import Path

from assay import code, files, layout
from assay.build import Build
from assay.commandline import Line, experiments_of
from assay.engines.progress import printable
from assay.errors import DONE, FAILED, WrongInput
from assay.requests import adapter_digest
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Trust no memory: read every byte that the journal vouches for."""
    worst = DONE
    for name, build in session.builds(experiments_of(line, known_experiments(session.root))).items():
        faults, count = _verify(build)
        for fault in faults:
            print(f"{name}: {printable(fault)}")
        print(
            f"{name}: {count} files hashed, {len(faults)} differ" if build.journal.entries else f"{name}: never built"
        )
        worst = FAILED if faults else worst
    return worst


def _verify(build: Build) -> tuple[list[str], int]:
    faults, count = [], 0
    for stage, entry in build.journal.entries.items():
        for path, digest in {**entry.outputs, **entry.read}.items():
            if path.startswith("package:"):
                continue
            count += 1
            place = build.place(path)
            if not place.is_file():
                faults.append(f"{stage}: {path} is missing")
            elif _digest(path, place, digest) != digest:
                faults.append(f"{stage}: {path} is not what was recorded")
    checkpoint = build.journal.entries.get("checkpoint")
    if checkpoint:
        wanted = checkpoint.request["files"]["checkpoint"]
        for name, digest in (wanted if isinstance(wanted, dict) else {"": wanted}).items():
            count += 1
            place = build.requests.checkpoint_path / name if name else build.requests.checkpoint_path
            if not place.is_file() or files.sha256(str(place)) != digest:
                shown = f"{build.experiment.model.checkpoint}{'/' if name else ''}{name}"
                faults.append(f"checkpoint: {shown} is not what was recorded")
    return faults, count


def _digest(path: str, place: Path, recorded: str) -> str:
    """Digest a file in the way its record was made: code that may move by its syntax tree, all else by its bytes."""
    if path == layout.ADAPTER:
        return adapter_digest(code.functions(code.parse(place, path)))
    if recorded.startswith(code.BY_TREE):
        try:
            return code.BY_TREE + code.tree_digest(code.parse(place, path))
        except WrongInput:  # no Python any more: by its bytes, which never equal a tree
            pass
    return files.sha256(str(place))
