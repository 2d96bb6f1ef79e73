"""Whether a checkpoint may be loaded for a run: data always, its own code only when a person trusts that very file."""

from assay.errors import WrongInput
from assay.formats.pickle_globals import REACHABLE, TRICK
from assay.records import Checkpoint, Format, Status

HOPED = "upstream's code is there to make the model"
# By what a format carries.
RUNS = ("graph", "program")  # no class has to be found
WEIGHTS = ("weights", "pickles")


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
    return bool(trust) and trust == checkpoint.sha256


def gate(checkpoint: Checkpoint, trust: str, supplied: "list[str]", takes_file: bool, *, hoped: bool = False) -> Status:
    """Say whether the model can be built, and if not why.

    `takes_file`: a recipe's build opens the file itself. `hoped`: upstream's code may show how it is built.
    """
    form, carries, builds = checkpoint.format.name, checkpoint.format.carries, "build" in supplied
    if carries in WEIGHTS and not builds and hoped:
        return Status(reason=HOPED)
    if carries not in RUNS and not builds:
        return _unbuilt(checkpoint.format)
    if checkpoint.trust and given(checkpoint, trust):
        return Status(reason="its code is trusted, and runs in the sandbox")
    by_weights = builds and not takes_file  # it is handed tensors, and no code of the file is reached
    if checkpoint.cannot and not by_weights:
        return Status(word="blocked", reason=f"it cannot be loaded as it is: {checkpoint.cannot[0]}")
    # A pickle reaches nothing but what makes tensors and plain values; a program has no such door to watch.
    watched = builds and carries == "pickles" and not any(row.name == TRICK for row in checkpoint.code)
    if checkpoint.trust and not by_weights and not watched:
        return Status(
            word="blocked",
            reason=f"loading it runs code: {checkpoint.trust[0]}",
            question=f"do you trust this file? look at it (doit inspect), then write trust: {checkpoint.to_trust}",
        )
    return Status(reason=f"{form} carries its graph: no class has to be matched" if carries in RUNS and not builds else
                  "the recipe's build makes the model")  # fmt: skip


def reachable(checkpoint: Checkpoint, trust: str) -> "list[tuple[str, str]] | None":
    """List what unpicklers may reach in a run, as patterns of module and name; None when all of it is trusted."""
    return None if given(checkpoint, trust) else list(REACHABLE)


def _unbuilt(form: Format) -> Status:
    weights = f"{form.name}: weights without a graph, and no code that makes the model they belong to"
    return Status(
        word="blocked",
        reason=weights if form.carries in WEIGHTS else f"{form.name} does not run in this version",
        question="is there a recipe whose build makes the model, or an ONNX export of it?",
    )
