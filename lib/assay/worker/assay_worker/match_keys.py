"""A checkpoint's tensors beside those of a model that was made: which names and shapes are the same."""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Sequence, Set, Tuple

WRAPPERS = (
    "module.", "model.", "netG.", "net.", "network.", "generator.", "state_dict.", "params.", "params_ema.", "ema.",
    "ema_model.", "model_ema.", "student.", "teacher.", "_orig_mod.", "_model.", "_forward_module.",
)  # fmt: skip
HARMLESS = ("num_batches_tracked", "position_ids", "relative_position_index", "attn_mask", "total_ops", "total_params")
COUNTER = ".num_batches_tracked"  # older frameworks wrote none, and loading does without it
MOST_OF_IT = 0.8  # of a checkpoint's tensors, when a model explains not all of them
FIRST = 12  # differences told
Shape = Tuple[str, Tuple[int, ...]]  # kind of number, dimensions
Shapes = Dict[str, Shape]


class Target(NamedTuple):
    """One way to read a checkpoint's names: which part, without which prefix."""

    part: str
    strip: str
    shapes: Shapes
    left: Tuple[str, ...]  # tensors of the part that are under no such prefix


class Fit(NamedTuple):
    """How a model's tensors lie on a checkpoint's."""

    target: Target
    score: float  # 1.0 only when every name and shape is the same
    same: int
    missing: Tuple[str, ...]  # the model has them, the checkpoint does not
    unexpected: Tuple[str, ...]  # the other way round
    differing: Tuple[str, ...]  # of other shapes
    torn: bool = False  # what one side lacks is no whole submodule of the other

    @property
    def outcome(self) -> str:
        """Say in one word what it explains; "" when that is not enough."""
        if self.differing or not self.same or self.torn:
            return ""
        missing = [name for name in self.missing if not name.endswith(COUNTER)]
        if not missing and not self.unexpected:
            return "exact"
        if not self.unexpected:
            return "subset" if self.same >= 2 else ""
        enough = self.same >= MOST_OF_IT * (self.same + len(self.unexpected))
        return "superset" if enough and not missing else ""

    @property
    def named(self) -> float:
        """Give the share of the checkpoint's names that the model has too."""
        both = self.same + len(self.differing)
        return both / max(both + len(self.unexpected), 1)

    @property
    def rank(self) -> Tuple[int, float]:
        """Order by what is explained, then by how much."""
        return (("", "superset", "subset", "exact").index(self.outcome), self.score)


def kind(dtype: str) -> str:
    """Name the kind of number; what is quantised is no plain one."""
    name = dtype.rpartition(".")[2]
    if name.startswith(("float", "bfloat", "half", "double")):
        return "float"
    return "whole" if name.startswith(("int", "uint", "bool", "long", "short")) else name


# ---------------------------------------------------------------- reading a checkpoint's names
def targets(tensors: Iterable[Dict[str, Any]]) -> List[Target]:
    """List every way to read the names, the plain one of each part first."""
    parts: Dict[str, Shapes] = {}
    for t in tensors:
        parts.setdefault(t.get("part") or "", {})[t["name"]] = (kind(t["dtype"]), tuple(t["shape"]))
    found = []
    for part, shapes in parts.items():
        found += [_target(part, prefix, shapes) for prefix in _prefixes(shapes)]
    return found


def _target(part: str, prefix: str, shapes: Shapes) -> Target:
    inner = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
    left = tuple(name for name in shapes if not name.startswith(prefix))
    return Target(part, prefix, inner, left)


def _prefixes(shapes: Shapes) -> List[str]:
    """List prefixes that all names have, and wrappers that many have."""
    found, prefix = [""], ""
    while True:
        heads = {name[len(prefix) :].partition(".")[0] for name in shapes}
        if len(heads) != 1 or any("." not in name[len(prefix) :] for name in shapes):
            break
        prefix += heads.pop() + "."
        found.append(prefix)
    for wrapper in WRAPPERS:
        for whole in (prefix + wrapper, *(prefix + wrapper + inner for inner in WRAPPERS[:4])):
            under = sum(name.startswith(whole) for name in shapes)
            if 2 <= under < len(shapes):
                found.append(whole)
    return found


# ---------------------------------------------------------------- comparing
def best_fit(model: Shapes, ways: Sequence[Target], computed: FrozenSet[str] = frozenset()) -> Fit:
    """Find the reading of the checkpoint that a model lies on best."""
    overlap = [sum(name in way.shapes for name in model) for way in ways]
    most = max(overlap)
    return max((fit(model, way, computed) for way, n in zip(ways, overlap) if n == most), key=lambda found: found.rank)


def fit(model: Shapes, target: Target, computed: FrozenSet[str] = frozenset()) -> Fit:
    """Compare name by name; `computed` are the model's buffers that its constructor fills."""
    wanted = target.shapes
    both = [name for name in model if name in wanted]
    differing = tuple(name for name in both if not _alike(name, model[name], wanted[name]))
    same = len(both) - len(differing)
    missing = tuple(name for name in model if name not in wanted)
    unexpected = tuple(name for name in wanted if name not in model) + target.left
    near = sum(_near(model[name][1], wanted[name][1]) for name in differing)
    union = len(both) + len(missing) + len(unexpected)
    counters = sum(name.endswith(COUNTER) for name in missing)
    score = (same + 0.5 * near) / max(union - counters, 1)
    lost = [name for name in missing if name not in computed]
    torn = _torn(lost, wanted) or _torn([name for name in unexpected if name in wanted], model)
    return Fit(target, score, same, missing, unexpected, differing, torn)


def _torn(lacking: Sequence[str], other: Shapes) -> bool:
    """Tell whether any of these is only a part of something that the other side has: a weight, one block of many."""
    prefixes = {name[: i + 1] for name in other for i, sign in enumerate(name) if sign == "."} if lacking else set()
    return any(_is_torn(name, prefixes) for name in lacking if not name.endswith(HARMLESS))


def _is_torn(name: str, prefixes: Set[str]) -> bool:
    head = ""
    for part in name.split(".")[:-1]:
        head += part + "."
        if head not in prefixes:
            return part.isdigit()
    return True


def _alike(name: str, mine: Shape, theirs: Shape) -> bool:
    """Tell whether a tensor fits; a counter has one number, whichever way that was written."""
    return mine == theirs or (name.endswith(COUNTER) and {mine[1], theirs[1]} <= {(), (1,)})


def _near(mine: Tuple[int, ...], theirs: Tuple[int, ...]) -> float:
    """Give the share of dimensions that agree, of tensors that differ."""
    if len(mine) != len(theirs) or not mine:
        return 0.0
    return 0.25 + 0.5 * sum(a == b for a, b in zip(mine, theirs)) / len(mine)


def pattern(name: str) -> str:
    """Give a name without its numbers: blocks of a kind have the same."""
    return re.sub(r"\d+", "#", name)


def told(found: Fit, model: Shapes) -> List[str]:
    """Say what differs first, for a person."""
    wanted = found.target.shapes
    lines = [f"{n}: {list(model[n][1])} in the model, {list(wanted[n][1])} in the checkpoint" for n in found.differing]
    lines += [f"{n}: not in the model" for n in found.unexpected]
    lines += [f"{n}: not in the checkpoint" for n in found.missing if not n.endswith(COUNTER)]
    return lines[:FIRST]
