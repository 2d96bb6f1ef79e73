"""Stage inputs: what the model is run on: upstream's examples, then the repository's files, then made-up tensors."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from assay.errors import StageFailed, WrongInput
from assay.records import InputItem, Inputs
from assay.stages.job import Job

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
SUFFIXES = {
    "detection": IMAGES, "classification": IMAGES, "segmentation": IMAGES, "pose": IMAGES, "super-resolution": IMAGES,
    "audio": (".wav", ".flac", ".ogg", ".mp3"), "text": (".txt",),
}  # fmt: skip
ORIGIN = {"refs": "upstream", "datasets": "workspace", "downloads": "workspace"}
MOST_BYTES = 64 << 20
MOST_LABELS = 256 << 20
SEED = 20261120


def run(job: Job) -> None:
    """Write inputs/* and outputs/inputs.json."""
    spec, status = job.experiment.inputs, job.blocked()
    if status is not None:
        job.write("inputs", _record([], {}, job, f"blocked: {status.reason}"))
        return
    contract = job.record("contract")
    truth = _labels(job)
    found = _real(job, contract, set(truth)) if contract.functions["preprocess"] != "none" else []
    items = [_copied(job, i, path, origin) for i, (path, origin) in enumerate(found[: spec.count])]
    note = ""
    if not items:
        note = (
            "made-up tensors: no real input was found"
            if contract.functions["preprocess"] != "none"
            else ("made-up tensors: how a real input becomes tensors is unknown")
        )
        items = _synthesised(job, contract, min(spec.count, 4))
        if not items:
            raise StageFailed(
                "no real input was found, and none can be made up",
                where=job.experiment.file,
                mend="set inputs.find, or put files there",
            )
    labels = {item.id: truth[Path(item.source).name] for item in items if Path(item.source).name in truth}
    job.write("inputs", _record(items, labels, job, note))


def _record(items: list[InputItem], labels: dict[str, Any], job: Job, note: str) -> Inputs:
    return Inputs(
        items=items,
        labels=labels,
        labels_file=job.experiment.inputs.labels,
        labels_sha256=job.request["files"]["labels"] or "",
        note=note,
    )


# ---------------------------------------------------------------- real ones
def _real(job: Job, contract: Any, labelled: set[str]) -> list[tuple[Path, str]]:
    """Find real inputs, labelled ones first; equal bytes count once."""
    suffixes = SUFFIXES.get(contract.task, ())
    if not suffixes:
        return []
    found: list[tuple[Path, str]] = []
    for where in job.experiment.inputs.find:
        for folder in _folders(job, where):
            found += [(path, ORIGIN[where]) for path in _under(folder, suffixes)]
    if labelled:
        found = [f for f in found if f[0].name in labelled] or found
    seen: set[str] = set()
    different = []
    for path, origin in found:
        digest = job.digest(path)
        if digest not in seen:
            seen.add(digest)
            different.append((path, origin))
        if len(different) == job.experiment.inputs.count:
            break
    return different


def _folders(job: Job, where: str) -> list[Path]:
    if where == "refs":
        return [job.workspace.at(f"refs/{tree.name}") for tree in job.record("refs").trees]
    return [job.root / where] if where in ORIGIN else []


def _under(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            if (
                path.suffix.lower() in suffixes
                and not path.is_symlink()
                and path.is_file()
                and 0 < path.stat().st_size <= MOST_BYTES
            ):
                found.append(path)
    return found


def _copied(job: Job, index: int, path: Path, origin: str) -> InputItem:
    name = f"{index:03d}"
    file = f"inputs/{name}{path.suffix.lower()}"
    shutil.copyfile(path, job.out(file))
    inside = path.is_relative_to(job.workspace.path)
    source = path.relative_to(job.workspace.path if inside else job.root).as_posix()
    job.discovered.add(source if inside else f"root:{source}")
    return _item(job, name, file, origin, source)


def _item(job: Job, name: str, file: str, origin: str, source: str) -> InputItem:
    place = job.staging / file
    return InputItem(
        id=name, file=file, bytes=place.stat().st_size, sha256=job.digest(place), origin=origin, source=source
    )


# ---------------------------------------------------------------- made up
def _synthesised(job: Job, contract: Any, count: int) -> list[InputItem]:
    """Make tensors that the contract allows, in shapes that ran: floats in [0, 1), whole numbers 0 or 1."""
    import numpy

    worked = job.record("probe").worked
    if not contract.inputs or any(t.name not in worked for t in contract.inputs):
        return []
    items = []
    for index in range(count):
        random = numpy.random.Generator(numpy.random.PCG64(SEED + index))
        arrays = {t.name: _made_up(random, t.dtype, worked[t.name]) for t in contract.inputs}
        name = f"{index:03d}"
        numpy.savez(job.out(f"inputs/{name}.npz"), **arrays)
        items.append(_item(job, name, f"inputs/{name}.npz", "synthesised", "contract"))
    return items


def _made_up(random: Any, dtype: str, shape: list[int]) -> Any:
    import numpy

    if dtype.startswith("float"):
        return random.random(shape, dtype=numpy.float32).astype(dtype)
    if dtype == "bool":
        return random.integers(0, 2, size=shape).astype(bool)
    return numpy.asarray(random.integers(0, 2, size=shape)).astype(dtype)


# ---------------------------------------------------------------- labels
def _labels(job: Job) -> dict[str, Any]:
    """Read the truth by file name: {"images": {file: truth}}, or the inner map alone."""
    name = job.experiment.inputs.labels
    if not name:
        return {}
    path = job.root / name
    where = f"inputs.labels: {name}"
    try:
        if path.stat().st_size > MOST_LABELS:
            raise WrongInput("is larger than 256 MiB", where=where, mend="give the labels of the inputs that are used")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise WrongInput(f"cannot be read: {error.strerror}", where=where, mend="correct the path") from error
    except (ValueError, RecursionError) as error:
        raise WrongInput(f"is not JSON: {error}", where=where, mend='write {"images": {"file.png": truth}}') from error
    images = document.get("images", document) if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise WrongInput("holds no map from file to truth", where=where, mend='write {"images": {"file.png": truth}}')
    return images
