"""Which sizes a model takes: one axis at a time, then together with others, in which steps, from where on."""

from __future__ import annotations

from typing import Any, Dict, Iterator, NamedTuple, Tuple

from assay_worker.probe_inputs import FRAMES, LADDER, Dims, scalars, shape_of
from assay_worker.probe_lab import NO_TIME, Lab

LARGE, MOST_STEP, MOST_LISTED = 64, 128, 24
OFFSETS = (1, 8, 16, 32, 64)
Group = Tuple[str, ...]


class Found(NamedTuple):
    """What was seen of one symbol."""

    together: Group  # the symbols that have to move with it
    moves: bool
    accepted: list[int]
    refused: list[int]
    step: int | None
    minimum: int | None
    untried: bool


class Search:
    """Sizes of one symbol, each tried once; those that move with it keep pace."""

    def __init__(self, lab: Lab, dims: Dims, symbol: str) -> None:
        self.lab, self.dims, self.symbol, self.base = lab, dims, symbol, dims[symbol]
        self.group: Group = (symbol,)
        self.seen: dict[tuple[Group, int], bool] = {}
        self.untried = False

    def takes(self, size: int) -> bool:
        """Try a size; what there was no time for counts as refused here, and is marked."""
        moved = {s: self.dims[s] * size for s in self.group}
        if size < 1 or any(n % self.base for n in moved.values()):
            return False
        answer = self.lab.accepts(dict(self.dims, **{s: n // self.base for s, n in moved.items()}))
        if answer is None:
            self.untried = True
            return False
        self.seen[self.group, size] = answer
        return answer

    def sizes(self, answer: bool) -> list[int]:
        """List the sizes that were accepted or refused, with those that move along."""
        found = {n for (group, n), was in self.seen.items() if was is answer and group == self.group}
        return sorted(found | ({self.base} if answer else set()))[:MOST_LISTED]


def explore(lab: Lab, dims: Dims) -> Dict[str, Found]:
    """Look at every symbol."""
    return {symbol: _one(lab, dims, symbol) for symbol in dims}


def _one(lab: Lab, dims: Dims, symbol: str) -> Found:
    search = Search(lab, dims, symbol)
    moves = any(_moves(search, group) for group in _groups(lab, dims, symbol))
    if moves:
        _narrow(search)
    step = _step(search) if moves else None
    lowest = _minimum(search, step) if step else None
    if not moves:
        search.group = (symbol,)
    return Found(
        search.group[1:], moves, search.sizes(True), search.sizes(False), step, lowest, search.untried
    )  # fmt: skip


def _groups(lab: Lab, dims: Dims, symbol: str) -> Iterator[Group]:
    """Name who could have to move with a symbol: nobody, one other, its likes in every input, all of its size."""
    others = [s for s in dims if s != symbol]
    places = {(s, axis) for i in lab.maker.inputs for axis, s in enumerate(i["shape"])}
    axes = {axis for s, axis in places if s == symbol}
    likes = tuple(s for s in others if dims[s] == dims[symbol] and any((s, axis) in places for axis in axes))
    alike = tuple(s for s in others if dims[s] == dims[symbol])
    groups: list[Group] = [(), *((s,) for s in others), likes, alike]
    yield from ((symbol, *g) for i, g in enumerate(groups) if g not in groups[:i])


def _moves(search: Search, group: Group) -> bool:
    """Tell whether any other size is taken when this group moves together."""
    search.group, base = group, search.base
    sizes = [2 * base, 3 * base] + ([base // 2] if base > 1 and base % 2 == 0 else [])
    if len(group) == 1:
        sizes += [n for offset in OFFSETS for n in (base + offset, base - offset) if base > 1]
    elif base > 1:
        sizes += [base + 1, base - 1]
    return any(search.takes(n) for n in sizes)


def _narrow(search: Search) -> None:
    """Leave out of a large group who need not move."""
    for other in search.group[1:] if len(search.group) > 2 else ():
        whole = search.group
        if not _moves(search, tuple(s for s in whole if s != other)):
            search.group = whole


def _step(search: Search) -> int | None:
    """Find the smallest step that is taken: a divisor of the size, else a power of two."""
    base = search.base
    up = 1 if any(n > base for n in search.sizes(True)) else -1
    divisors = [d for d in range(1, min(base, MOST_STEP) + 1) if base % d == 0]
    for step in divisors + [p for p in (2, 4, 8, 16, 32, 64) if p not in divisors]:
        if search.takes(base + up * step):
            return step if _holds(search, up * step) else None
    return None


def _holds(search: Search, step: int) -> bool:
    """Tell whether a step can be taken again and nothing between is taken."""
    if abs(step) == 1:
        base = search.base
        within = (base + base // 2 + 1, base + base // 3) if base > 3 and search.takes(2 * base) else ()
        return all(search.takes(n) for n in (base + 2 * step, base + 3 * step, *within) if n > 0)
    again = search.takes(search.base + 2 * step) or search.takes(search.base - step)
    between = search.takes(search.base + step + step // 2) or search.takes(search.base + step + 1)
    return again and not between and not search.untried


def _minimum(search: Search, step: int) -> int | None:
    """Find by halving the smallest size that is taken, in steps."""
    low, high = (search.base - 1) % step + 1, search.base
    if search.takes(low):
        return low
    while high - low > step and not search.untried:
        middle = low + (high - low) // step // 2 * step
        low, high = (low, middle) if search.takes(middle) else (middle, high)
    return None if search.untried else high


# ---------------------------------------------------------------- a smaller place to look from
def smaller(lab: Lab, dims: Dims) -> Dims:
    """Halve the large sizes as long as the model takes it: trials are cheap there."""
    ones = [s for s in dims if dims[s] > 1 and any(i["shape"][:1] == [s] for i in lab.maker.inputs)]
    if ones and lab.accepts(dict(dims, **{s: 1 for s in ones})):
        dims = dict(dims, **{s: 1 for s in ones})
    large = [s for s in dims if dims[s] >= LARGE and dims[s] % 2 == 0]
    while large:
        fewer = [group for group in ([large] if len(large) > 1 else []) + [[s] for s in large]]
        taken = next((g for g in fewer if lab.accepts(dict(dims, **{s: dims[s] // 2 for s in g}))), None)
        if taken is None:
            break
        dims = dict(dims, **{s: dims[s] // 2 for s in taken})
        large = [s for s in large if dims[s] >= LARGE and dims[s] % 2 == 0]
    return dims


# ---------------------------------------------------------------- what is written down
def words(lab: Lab, found: dict[str, Found]) -> dict[str, str]:
    """Say of every axis whether it is dynamic, fixed by declaration, or was not seen to move."""
    said = {}
    for key, symbol in _axes(lab):
        if not isinstance(symbol, str):
            said[key] = "fixed"
        elif found[symbol].moves:
            said[key] = "dynamic"
            if found[symbol].together:
                lab.notes.append(f"{key} was only seen to move together with {', '.join(found[symbol].together)}")
        elif found[symbol].untried:
            said[key] = f"not_observed: {NO_TIME} for all; {_tried(found[symbol])}"
        else:
            said[key] = f"not_observed: {_tried(found[symbol])}, alone and with each other dimension"
    return said


def _tried(found: Found) -> str:
    return f"refused were {', '.join(str(n) for n in found.refused) or 'none'}"


def axes(lab: Lab, dims: Dims, found: dict[str, Found]) -> dict[str, dict[str, Any]]:
    """Write down the sizes of every axis that is not fixed by declaration."""
    return {
        key: {
            "size": dims[symbol],
            "accepted": found[symbol].accepted,
            "refused": found[symbol].refused,
            "together": [other for other, s in _axes(lab) if s in found[symbol].together],
            "step": found[symbol].step,
            "multiple_of": _multiple(dims[symbol], found[symbol].step),
            "minimum": found[symbol].minimum,
        }
        for key, symbol in _axes(lab)
        if isinstance(symbol, str)
    }


def _multiple(size: int, step: int | None) -> int | None:
    return step if step and size % step == 0 else None


def _axes(lab: Lab) -> Iterator[tuple[str, Any]]:
    for spec in lab.maker.inputs:
        yield from ((f"{spec['name']}/{axis}", d) for axis, d in enumerate(spec["shape"]))


# ---------------------------------------------------------------- with a number beside
def pairs(lab: Lab, dims: Dims) -> list[dict[str, Any]]:
    """List which sizes are taken with which whole number beside them, such as a sample rate."""
    numbers = scalars(lab.maker.inputs)
    if len(numbers) == 1 or lab.maker.example:
        return []
    leading = {i["shape"][0] for i in lab.maker.inputs if i["shape"]}
    free, kept, taken = [s for s in dims if s not in leading and dims[s] > 1], lab.maker.scalar, []
    for lab.maker.scalar in numbers:
        for tried in [dict(dims, **{s: n}) for s in free for n in sorted({*LADDER, *FRAMES})] or [dims]:
            if lab.accepts(tried):
                taken.append(_point(lab, tried))
    lab.maker.scalar = kept
    return taken


def _point(lab: Lab, dims: Dims) -> dict[str, Any]:
    return {i["name"]: shape_of(i, dims) or lab.maker.scalar for i in lab.maker.inputs}
