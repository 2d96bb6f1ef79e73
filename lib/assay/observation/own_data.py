"""What runs over a data file of upstream's own, and over variants of it, show of its preparation."""

import math
from collections.abc import Sequence

from assay.records import ArrayFacts, Finding, Watched

CHANNELS = 16  # a recording has no more


def findings(runs: "Sequence[Watched]") -> "list[Finding]":
    """Tell type, size and whether it is affine, from the tensors that the file and its variants became.

    The runs are over the file, the file turned round, scaled, cut in half, its end set to nought.
    """
    firsts = {run.input: run.first.inputs[0] for run in runs if run.first and run.first.inputs}
    if len(firsts) < 2:
        return []
    facts = list(firsts.values())
    found = []
    if len({one.dtype for one in facts}) == 1:
        found.append(Finding(id="pre.dtype", value=facts[0].dtype, tries=len(facts), identified=True))
    same = len({tuple(one.shape) for one in facts}) == 1
    sizes = {_size(one.shape) for one in facts} - {()} if same else set()
    cut = next((name for name in firsts if name.startswith("half")), "")
    if cut and len(sizes) == 1:
        found.append(Finding(id="pre.size", value=list(sizes.pop()), tries=len(facts), identified=True, evidence=[cut]))
    whole, scaled = facts[0], next((one for name, one in firsts.items() if name.startswith("scaled")), None)
    if scaled is not None and whole.minimum != whole.maximum and _alike(scaled, whole):
        reason = "the file and the same at half its values become the same tensor"
        found.append(Finding(id="pre.affine", value=False, tries=len(facts), identified=True, reason=reason))
    return found


def _size(shape: "list[int]") -> "tuple[int, ...]":
    """Give what a shape has beside samples and channels; () where steps and features cannot be told apart."""
    steps_last = len(shape) != 3 or shape[1] <= CHANNELS < shape[2]
    return tuple(shape[2:] or shape[1:]) if steps_last else ()


def _alike(a: ArrayFacts, b: ArrayFacts) -> bool:
    pairs = ((a.minimum, b.minimum), (a.maximum, b.maximum), (a.mean, b.mean))
    return all(x is not None and y is not None and math.isclose(x, y, rel_tol=1e-2, abs_tol=1e-3) for x, y in pairs)
