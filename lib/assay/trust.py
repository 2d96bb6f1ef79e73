"""Whether a checkpoint may be loaded for a run: data always, its own code only when a person trusts that very file."""

from assay.errors import WrongInput
from assay.examination import MOST_CODE
from assay.formats.pickle_globals import LONGEST_NAME
from assay.records import Checkpoint, Status

PROGRAMS = ("torchscript", "pt2")  # run by themselves, in torch
GRAPHS = ("onnx", *PROGRAMS)  # formats that carry their own graph: no class has to be found
WEIGHTS = ("torch-zip", "torch-legacy", "safetensors", "huggingface", "npz", "npy", "pickle", "hdf5", "keras")
PICKLES = ("torch-zip", "torch-legacy", "pickle", "npz", "npy")


def check(checkpoint: Checkpoint, trust: str, where: str) -> None:
    """Refuse a trust that was given to another file than this one, which needs it."""
    if trust and checkpoint.trust and not given(checkpoint, trust):
        raise WrongInput(
            f"trust names {trust[:12]}…, the checkpoint is {checkpoint.to_trust[:12]}…",
            where=where,
            mend=f"look at it (doit inspect), then write trust: {checkpoint.to_trust}, or delete the line",
        )


def given(checkpoint: Checkpoint, trust: str) -> bool:
    """Tell whether a person trusts the code of this very file."""
    return bool(trust) and trust == checkpoint.to_trust


def gate(checkpoint: Checkpoint, trust: str, supplied: "list[str]", takes_file: bool) -> Status:
    """Say whether the model can be built, and if not why; `takes_file`: a recipe's build opens the file itself."""
    form, builds = checkpoint.format.name, "build" in supplied
    if form not in GRAPHS and not builds:
        return _unbuilt(form)
    if given(checkpoint, trust):
        return Status(reason="its code is trusted, and runs in the sandbox")
    by_weights = builds and not takes_file  # it is handed tensors, and no code of the file is reached
    if checkpoint.cannot and not by_weights:
        return Status(word="blocked", reason=f"it cannot be loaded as it is: {checkpoint.cannot[0]}")
    # A pickle's code is kept from every unpickler in the worker; a program has no such door to watch.
    watched = builds and form in PICKLES and not hides_code(checkpoint)
    if checkpoint.trust and not by_weights and not watched:
        return Status(
            word="blocked",
            reason=f"loading it runs code: {checkpoint.trust[0]}",
            question=f"do you trust this file? look at it (doit inspect), then write trust: {checkpoint.to_trust}",
        )
    return Status(reason=f"{form} carries its graph: no class has to be matched" if form in GRAPHS and not builds else
                  "the recipe's build makes the model")  # fmt: skip


def untrusted(checkpoint: Checkpoint, trust: str) -> "list[str]":
    """Name the code that no pickle may reach in a run."""
    if given(checkpoint, trust):
        return []
    return [row.name for row in checkpoint.code if row.verdict in ("dangerous", "unknown")]


def hides_code(checkpoint: Checkpoint) -> bool:
    """Tell whether it could reach code by a name that is not written down whole, so that nothing can watch for it."""
    names = [row.name for row in checkpoint.code]
    whole = all(len(n) < LONGEST_NAME and all(part.isidentifier() for part in n.split(".")) for n in names)
    return not whole or len(names) >= MOST_CODE


def _unbuilt(form: str) -> Status:
    weights = f"{form}: weights without a graph: the class they belong to is not looked for yet"
    return Status(
        word="blocked",
        reason=weights if form in WEIGHTS else f"{form} does not run in this version",
        question="is there a recipe whose build makes the model, or an ONNX export of it?",
    )
