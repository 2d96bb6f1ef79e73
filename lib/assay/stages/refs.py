"""Stage refs: upstream's code as it was at one commit, with its licence."""

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from assay import files, layout
from assay.records import Refs, SourceFile, SourceTree
from assay.stages.job import Job
from assay.upstream import git, licenses, local

NO_SOURCE = (
    "no source was given, only the name {name}: nothing is fetched by a guess. Look for the repository that the "
    "checkpoint was published with (its page, a model card, the paper), then set source.repo to its https address and "
    "source.rev to the tag or commit of that time, or clone it and set source.path"
)


def run(job: Job) -> None:
    """Write refs/<name>/ and outputs/refs.json."""
    source = job.experiment.source
    trees = []
    if source.path:
        trees.append(_from_path(job, source.path))
    elif source.repo:
        trees.append(_from_git(job, source.repo, source.rev))
    note = "" if trees else NO_SOURCE.format(name=job.experiment.model.name)
    job.write("refs", Refs(trees=trees, note=note))


def _from_path(job: Job, path: str) -> SourceTree:
    name = _plain(PurePosixPath(path).name)
    into = job.out(f"refs/{name}")
    copied = local.copy_tree(job.root / path, into)
    return _tree(job, name, "local", into, copied.left_out, commit=copied.commit, dirty=copied.dirty)


def _from_git(job: Job, url: str, rev: str) -> SourceTree:
    name = _plain(PurePosixPath(url).name.removesuffix(".git"))
    into = job.out(f"refs/{name}")
    wanted = _pinned(job, url, rev) or rev
    here = _fetched_before(job, url, wanted)
    if here is not None:
        shutil.copytree(here.folder, into)
        same = _tree(job, name, "git", into, here.tree.left_out, url=url, rev=rev, commit=wanted, tag=here.tree.tag)
        if same.tree_sha256 == here.tree.tree_sha256:
            return same
        shutil.rmtree(into)
    found = git.fetch(url, wanted, into)
    return _tree(job, name, "git", into, found.left_out, url=url, rev=rev, commit=found.commit, tag=found.tag)


def _pinned(job: Job, url: str, rev: str) -> str:
    """Give the commit that this branch was pinned to when it was first built."""
    try:
        old = json.loads(job.workspace.at(layout.record("refs")).read_bytes())["trees"][0]
        return str(old["commit"]) if (old["url"], old["rev"]) == (url, rev) and not job.moving else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""


class Fetched(NamedTuple):
    """A tree that lies in a workspace of this repository."""

    tree: SourceTree
    folder: Path


def _fetched_before(job: Job, url: str, commit: str) -> "Fetched | None":
    """Find the same commit in another workspace: a commit never changes, so no network is needed for it."""
    if not git.FULL_HASH.fullmatch(commit):
        return None
    for file in sorted(job.root.glob(f"tmp/*/{layout.record('refs')}")):
        try:
            trees = msgspec.convert(json.loads(file.read_bytes())["trees"], list[SourceTree])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        for tree in trees:
            folder = file.parents[1] / "refs" / tree.name
            if (tree.url, tree.commit) == (url, commit) and folder.is_dir():
                return Fetched(tree, folder)
    return None


def _plain(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".-")
    return kept or "upstream"


def _tree(job: Job, name: str, kind: str, into: Path, left_out: list[str], **more: object) -> SourceTree:
    found = sorted(p for p in into.rglob("*") if p.is_file())
    parts = [
        SourceFile(path=p.relative_to(into).as_posix(), bytes=p.stat().st_size, sha256=job.digest(p)) for p in found
    ]
    whole = files.text_sha256("".join(f"{p.path}\0{p.sha256}\n" for p in parts))
    return SourceTree(
        name=name,
        kind=kind,
        tree_sha256=whole,
        files=parts,
        left_out=left_out,
        license=licenses.find(into),
        **more,  # type: ignore[arg-type]
    )
