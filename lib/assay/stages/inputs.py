"""Stage inputs: what the model is run on: upstream's examples, then the repository's files, then made-up tensors."""

import os
import shutil
from pathlib import Path
from typing import Any

from assay import truth
from assay.errors import StageFailed
from assay.observation.samples import rank
from assay.records import InputItem, Inputs
from assay.stages.job import Job

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
TEXTS = (".txt", ".json")
SUFFIXES = {"detection": IMAGES, "classification": IMAGES, "segmentation": IMAGES, "super-resolution": IMAGES,
            "speech": SOUNDS, "audio": SOUNDS, "text": TEXTS}  # fmt: skip
MEDIA = (*IMAGES, *SOUNDS)  # for a task that is a word of the user's own
# by what upstream's own entrypoint was seen to read
READS = {"image": IMAGES, "audio": SOUNDS, "bytes": ("",), "data": (".npy", ".csv", ".tsv")}
ORIGIN = {"refs": "upstream", "datasets": "workspace", "downloads": "workspace"}
MOST_BYTES = 64 << 20
SEED = 20261120


def run(job: Job) -> None:
    """Write inputs/* and outputs/inputs.json."""
    spec, status = job.experiment.inputs, job.blocked()
    if status is not None:
        job.write("inputs", _record([], {}, job, f"blocked: {status.reason}"))
        return
    contract = job.record("contract")
    labels = truth.read(job.root, spec.labels)
    found = _real(job, contract, labels) if contract.functions["preprocess"] != "none" else []
    items = [_copied(job, i, path, origin) for i, (path, origin) in enumerate(found[: spec.count])]
    note = ""
    if not items:
        note = (
            "made-up tensors: no real input was found"
            if contract.functions["preprocess"] != "none"
            else ("made-up tensors: how a real input becomes tensors is unknown")
        )
        items = _synthesised(job, contract, min(spec.count, 4))
        if not items and contract.functions["preprocess"] == "none":
            note = "no inputs can be made up: the shapes of its inputs are not known; give preprocess() in a recipe"
        elif not items:
            raise StageFailed(
                "no real input was found, and none can be made up",
                where=job.experiment.file,
                mend="set inputs.find, or put files there",
            )
    keys = {item.id: truth.key_of(labels, item.source) for item in items}
    job.write("inputs", _record(items, {id: labels[key] for id, key in keys.items() if key is not None}, job, note))


def _record(items: list[InputItem], labels: dict[str, Any], job: Job, note: str) -> Inputs:
    return Inputs(
        items=items,
        labels=labels,
        labels_file=job.experiment.inputs.labels,
        labels_sha256=job.request["files"]["labels"] or "",
        note=note,
    )


# ---------------------------------------------------------------- real ones
def _real(job: Job, contract: Any, labels: dict[str, Any]) -> list[tuple[Path, str]]:
    """Find real inputs: the labelled ones whatever they are called, else what the task suggests; equal bytes once."""
    found: list[tuple[Path, str]] = []
    for where in job.experiment.inputs.find:
        for folder in _folders(job, where):
            found += [(path, ORIGIN[where]) for path in _under(folder)]
    if labels:
        found = [f for f in found if truth.key_of(labels, _source(job, f[0])) is not None]
        digests = [(_source(job, path), job.digest(path)) for path, _ in found]
        truth.check(labels, digests, job.experiment.inputs.labels)
    else:
        suffixes = READS.get(contract.reads) or SUFFIXES.get(contract.task, MEDIA)
        failed = _failed(job)
        found = [f for f in found if f[0].suffix.lower() in suffixes or "" in suffixes]
        found = [f for f in found if f[0].name not in failed]
        found.sort(key=lambda f: rank(_source(job, f[0]).lower()) if f[1] == "upstream" else 0)
    return _different(job, found)


def _failed(job: Job) -> set[str]:
    """Name the samples on which upstream's own entrypoint failed when it was watched."""
    observation = job.record("probe").observation
    runs = observation.runs if observation and observation.status == "seen" else []
    return {run.input for run in runs if run.outcome in ("failed", "missing-package", "hung") and run.first is None}


def _different(job: Job, found: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    kept: dict[str, tuple[Path, str]] = {}
    for path, origin in found:
        kept.setdefault(job.digest(path), (path, origin))
        if len(kept) == job.experiment.inputs.count:
            break
    return list(kept.values())


def _source(job: Job, path: Path) -> str:
    """Name a file by its path in the workspace or in the repository."""
    base = job.workspace.path if path.is_relative_to(job.workspace.path) else job.root
    return path.relative_to(base).as_posix()


def _folders(job: Job, where: str) -> list[Path]:
    if where == "refs":
        return [job.workspace.at(f"refs/{tree.name}") for tree in job.record("refs").trees]
    return [job.root / where] if where in ORIGIN else []


def _under(folder: Path) -> list[Path]:
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            if not path.is_symlink() and path.is_file() and 0 < path.stat().st_size <= MOST_BYTES:
                found.append(path)
    return found


def _copied(job: Job, index: int, path: Path, origin: str) -> InputItem:
    name = f"{index:03d}"
    file = f"inputs/{name}{path.suffix.lower()}"
    shutil.copyfile(path, job.out(file))
    source = _source(job, path)
    job.discovered.add(source if path.is_relative_to(job.workspace.path) else f"root:{source}")
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

    probe = job.record("probe")
    worked, seen = probe.worked, {t.name: t.dtype for t in probe.inputs}
    if not contract.inputs or any(t.name not in worked for t in contract.inputs):
        return []
    items = []
    for index in range(count):
        random = numpy.random.Generator(numpy.random.PCG64(SEED + index))
        arrays = {t.name: _tensor(random, t, probe, seen.get(t.name, t.dtype)) for t in contract.inputs}
        name = f"{index:03d}"
        numpy.savez(job.out(f"inputs/{name}.npz"), **arrays)
        items.append(_item(job, name, f"inputs/{name}.npz", "synthesised", "contract"))
    return items


def _tensor(random: Any, declared: Any, probe: Any, seen: str) -> Any:
    """Make up one tensor, of the type that ran where none is declared; a number is the one that ran."""
    import numpy

    if declared.name in probe.scalars:
        return numpy.asarray(probe.scalars[declared.name])
    return _made_up(random, declared.dtype if declared.dtype != "unknown" else seen, probe.worked[declared.name])


def _made_up(random: Any, dtype: str, shape: list[int]) -> Any:
    import numpy

    if dtype.startswith("float") or dtype == "unknown":
        return random.random(shape, dtype=numpy.float32).astype("float32" if dtype == "unknown" else dtype)
    if dtype == "bool":
        return random.integers(0, 2, size=shape).astype(bool)
    return numpy.asarray(random.integers(0, 2, size=shape)).astype(dtype)
