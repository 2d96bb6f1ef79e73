"""Which packages an entrypoint is sure to import: its worker imports them once, before it runs anything."""

import re

from assay.observation.attempts import Attempt
from assay.records import Source
from assay.upstream import importing
from assay.upstream.closure import closure
from assay.upstream.texts import Texts

COMMON = frozenset(
    ("numpy", "torch", "torchvision", "PIL", "cv2", "scipy", "skimage", "sklearn", "matplotlib", "pandas", "librosa")
    + ("soundfile", "onnxruntime", "yaml", "tqdm", "einops", "timm")
)  # known to leave no thread; of others the first run shows it
# upstream may decide by a variable what a package is when it is imported
SETS = re.compile(r"""environ(\[|\.update|\.setdefault)(?!\(?["']CUDA_)|putenv""")


def imported(source: Source, way: Attempt, texts: Texts) -> "list[str]":
    """List the modules of such packages, in the order in which they are imported."""
    snippet = way.entry.get("snippet")
    start = importing.read(snippet["text"])[0] if snippet else []
    reached = closure(source.modules, [] if snippet else [way.where], start=start)
    read = [snippet["text"] if snippet else "", *(texts.get(file, "") for file in reached.files)]
    if any(SETS.search(text) for text in read):
        return []
    sure = [need.module for need in reached.needs if need.kind == "hard"]
    return [module for module in sure if module.partition(".")[0] in COMMON]
