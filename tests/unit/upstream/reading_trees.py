"""A small upstream tree written on the spot, read as the source stage reads it."""

from pathlib import Path

from assay.records import Weight
from assay.upstream import reading, scripts
from assay.upstream.requirements import survey

NN = "import torch\nimport torch.nn as nn\n\n\n"


def weights(*names: str, **shapes: "list[int]") -> "list[Weight]":
    sized = {name.replace("__", "."): shape for name, shape in shapes.items()}
    return [Weight(name=n, dtype="float32", shape=sized.get(n, [1]), parameters=1, bytes=4) for n in (*names, *sized)]


def read(folder: Path, files: "dict[str, str]", tensors: "list[Weight]", name: str = "model.pth") -> reading.Read:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    found = survey(folder)
    trees = {"t": folder}
    parsed = scripts.read(trees, [f"t/{p}" for p in found.python_files], [f"t/{p}" for p in found.documents])
    return reading.read(trees, parsed, tensors, name)


def fit(folder: Path, text: str, keys: "list[str]", qualname: str = "Net") -> "tuple[int, int]":
    """Read one file with a class, and tell how many of the keys its names explain, of how many."""
    found = read(folder, {"net.py": NN + text}, weights(*keys))
    best = [c for c in found.candidates if c.qualname == qualname]
    return (best[0].matched, best[0].total) if best else (0, len(keys))
