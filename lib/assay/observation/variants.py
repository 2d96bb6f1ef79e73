"""Other inputs made from one of upstream's own: the same kind of file with other numbers, to tell constants by."""

import csv
from pathlib import Path

ARRAYS, TABLES = (".npy",), (".csv", ".tsv")
SUFFIXES = (*ARRAYS, *TABLES)


def variants(sample: Path, folder: Path) -> "list[Path]":
    """Write variants of a data file; none of what cannot be varied."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = sample.suffix.lower()
    if suffix in ARRAYS:
        return _arrays(sample, folder)
    return _tables(sample, folder, "\t" if suffix == ".tsv" else ",") if suffix in TABLES else []


def _arrays(sample: Path, folder: Path) -> "list[Path]":
    """Turn an array round along its longest axis, scale it, leave out half of it, let it end in noughts."""
    import numpy

    try:
        array = numpy.load(sample, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return []
    if not array.ndim or not array.size or array.dtype.kind not in "fiu":
        return []
    axis = int(numpy.argmax(array.shape))
    half = numpy.take(array, range(max(1, array.shape[axis] // 2)), axis)
    ended = numpy.moveaxis(array.copy(), axis, -1)
    ended[..., -max(1, array.shape[axis] // 8) :] = 0
    made = {
        "turned": numpy.flip(array, axis),
        "scaled": (array * 0.5).astype(array.dtype),
        "half": half,
        "ended": numpy.moveaxis(ended, -1, axis),
    }
    for name, one in made.items():
        numpy.save(folder / f"{name}{sample.suffix}", numpy.ascontiguousarray(one))
    return [folder / f"{name}{sample.suffix}" for name in made]


def _tables(sample: Path, folder: Path, delimiter: str) -> "list[Path]":
    """Put the rows of a table into another order, and leave out every second one."""
    try:
        with sample.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file, delimiter=delimiter)
    except (OSError, ValueError, csv.Error):
        return []
    paths = []
    for name, chosen in (("turned", rows[::-1]), ("half", rows[::2])):
        path = folder / f"{name}{sample.suffix}"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter).writerows([head, *chosen])
        paths.append(path)
    return paths
