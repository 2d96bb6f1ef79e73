"""The labels of a label file, and which input each belongs to."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay.errors import WrongInput

MOST_BYTES = 256 << 20
SHAPE = 'write {"images": {"file.png": truth}}'


def read(root: Path, name: str) -> dict[str, Any]:
    """Read the truth by file: {"images": {file: truth}}, or the inner map alone."""
    if not name:
        return {}
    path, where = root / name, f"inputs.labels: {name}"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WrongInput("is larger than 256 MiB", where=where, mend="give the labels of the inputs that are used")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise WrongInput(f"cannot be read: {error.strerror}", where=where, mend="correct the path") from error
    except (ValueError, RecursionError) as error:
        raise WrongInput(f"is not JSON: {error}", where=where, mend=SHAPE) from error
    images = document.get("images", document) if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise WrongInput("holds no map from file to truth", where=where, mend=SHAPE)
    return images


def key_of(truth: dict[str, Any], source: str) -> str | None:
    """Find the label of a file: the longest key that is the end of its path, whole names only."""
    parts = source.split("/")
    ends = ("/".join(parts[i:]) for i in range(len(parts)))
    return next((end for end in ends if end in truth), None)


def check(truth: dict[str, Any], found: Iterable[tuple[str, str]], name: str) -> None:
    """Refuse labels that fit none of the files found, or two different files; found gives (path, digest)."""
    fitting: dict[str, dict[str, str]] = {}
    for source, digest in found:
        key = key_of(truth, source)
        if key is not None:
            fitting.setdefault(key, {}).setdefault(digest, source)
    where = f"inputs.labels: {name}"
    if truth and not fitting:
        raise WrongInput(
            f"none of its {len(truth)} files was found", where=where, mend="set inputs.find to where they lie"
        )
    for key, sources in fitting.items():
        if len(sources) > 1:
            several = " and ".join(sorted(sources.values())[:2])
            raise WrongInput(f"{key!r} fits {several}", where=where, mend="write the path as far as tells them apart")
