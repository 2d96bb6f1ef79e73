"""What a Hugging Face folder supplies by itself: an adapter by which transformers runs it."""

from pathlib import Path

from assay import trust
from assay.huggingface import adapter, folder, reading
from assay.huggingface.adapter import Written
from assay.records import Checkpoint, Claim

NOTHING = Written("", "", (), {}, (), ())
PROCESSOR = "scripts/processor"


def is_folder(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint is such a folder."""
    return checkpoint.format.name == "huggingface" and checkpoint.kind == "folder"


def supplied(place: Path, checkpoint: Checkpoint, trusted: str) -> Written:
    """Write the adapter that runs the folder; with its own code only when a person trusts that."""
    if not is_folder(checkpoint):
        return NOTHING
    return adapter.write(folder.read(place, checkpoint), trusted=trust.given(checkpoint, trusted))


def claims(place: Path, checkpoint: Checkpoint) -> "list[Claim]":
    """State what the folder's configs say about its use."""
    return reading.claims(folder.read(place, checkpoint)) if is_folder(checkpoint) else []
