"""How well the names that a class gives its weights explain those of a checkpoint."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from assay.upstream.abstract import Node, Shape

MOST_STRIPPED, DEEPEST = 4, 40
UNCOUNTED = {"num_batches_tracked"}
Trie = dict[str, Any]


class Fit(NamedTuple):
    """What of a checkpoint a tree of names explains, and what of the tree the checkpoint has."""

    matched: int = 0  # keys that the tree names
    loose: int = 0  # keys below what may hold anything
    shaped: int = 0  # matched keys whose shape does not speak against it
    wanted: int = 0  # names that the tree asks for
    found: int = 0  # of these, how many the checkpoint has
    total: int = 0
    strip: str = ""

    @property
    def score(self) -> float:
        """Weigh the fit; 1 when every key is explained, every name found and no shape speaks against it."""
        if not self.total or not (self.matched or self.loose):
            return 0.0
        explained = (self.matched + 0.3 * self.loose) / self.total
        covered = self.found / self.wanted if self.wanted else 0.0
        shaped = self.shaped / self.matched if self.matched else 0.0
        return explained * (0.7 + 0.2 * covered + 0.1 * shaped)


class Keys:
    """The keys of a checkpoint as a tree, with what of them may stand in front left out."""

    def __init__(self, tensors: "Iterable[tuple[str, Sequence[int]]]") -> None:
        self.shapes = {name: tuple(shape) for name, shape in tensors if name.count(".") < DEEPEST}
        self.total = len(self.shapes)
        whole = _trie(self.shapes)
        self.views: list[tuple[str, Trie]] = [("", whole)]
        strip, here = "", whole
        while len(here) == 1 and len(self.views) < MOST_STRIPPED:
            name, inner = next(iter(here.items()))
            if not isinstance(inner, dict):
                break
            strip, here = f"{strip}{name}.", inner
            self.views.append((strip, here))
        self.words = {part for name in self.shapes for part in name.split(".") if not part.isdigit()}

    def firsts(self) -> "set[str]":
        """Give the first parts of all keys, whatever is left out in front of them."""
        return {name for _, trie in self.views for name in trie}

    def fit(self, node: Node) -> Fit:
        """Fit a tree of names, with whatever prefix left out serves it best."""
        fits = [_fit(node, trie, strip, self.total) for strip, trie in self.views]
        return max(fits, key=lambda f: f.score)


def _trie(shapes: "dict[str, tuple[int, ...]]") -> Trie:
    found: Trie = {}
    for name, shape in shapes.items():
        here = found
        *outer, last = name.split(".")
        for part in outer:
            inner = here.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = here[part] = {"": inner}
            here = inner
        if isinstance(here.get(last), dict):
            here[last][""] = shape
        else:
            here[last] = shape
    return found


def _fit(node: Node, trie: Trie, strip: str, total: int) -> Fit:
    matched, loose, shaped = _explained([node], trie, 0)
    wanted, found = _covered(node, trie, 0)
    return Fit(matched, loose, shaped, wanted, found, total, strip)


def _explained(nodes: "list[Node]", trie: Trie, depth: int) -> "tuple[int, int, int]":
    matched = loose = shaped = 0
    if depth > DEEPEST:
        return 0, 0, 0
    anything = any(n.open for n in nodes)
    for name, inner in trie.items():
        if isinstance(inner, tuple):
            shapes = [n.leaves[name] for n in nodes if name in n.leaves]
            if shapes:
                matched += 1
                shaped += any(agree(s, inner) for s in shapes)
            else:
                loose += anything or any(name in n.attrs and _unknown(n, name) for n in nodes)
            continue
        below, open_here = _below(nodes, name)
        inside = _explained(below, inner, depth + 1) if below else (0, 0, 0)
        rest = _size(inner) - inside[0] if anything or open_here else inside[1]
        matched, loose, shaped = matched + inside[0], loose + rest, shaped + inside[2]
    return matched, loose, shaped


def _below(nodes: "list[Node]", name: str) -> "tuple[list[Node], bool]":
    below: list[Node] = []
    loose = False
    for node in nodes:
        found = list(node.children.get(name, ()))
        found += [inner for pattern, inner in node.wild if name not in node.children and pattern.fullmatch(name)]
        below += [n for n in found if not any(n is b for b in below)]
        loose = loose or (not found and _unknown(node, name))
    return below, loose or any(n.open for n in below)


def _unknown(node: Node, name: str) -> bool:
    """Tell whether an attribute is there that may be a module, for all that is known."""
    from assay.upstream.abstract import Unknown

    return isinstance(node.attrs.get(name), Unknown)


def _size(trie: Trie) -> int:
    return sum(_size(v) if isinstance(v, dict) else 1 for v in trie.values())


def agree(known: "Shape | None", shape: "tuple[int, ...]") -> bool:
    """Tell whether a shape may be the one that is known in part."""
    return known is None or (len(known) == len(shape) and all(k is None or k == s for k, s in zip(known, shape)))


def _covered(node: Node, trie: "Trie | None", depth: int) -> "tuple[int, int]":
    """Count the names that a tree asks for, and those of them that there are."""
    wanted = found = 0
    if depth > DEEPEST:
        return 0, 0
    for name in node.leaves:
        there = trie is not None and isinstance(trie.get(name), tuple)
        if name in UNCOUNTED or (name in node.optional and not there):
            continue
        wanted, found = wanted + 1, found + there
    for name, nodes in node.children.items():
        inner = trie.get(name) if trie is not None else None
        below = inner if isinstance(inner, dict) else None
        if below is None and (name in node.optional or (trie is None and depth > 12)):
            continue
        counts = max((_covered(n, below, depth + 1) for n in nodes), key=lambda c: (c[1], -c[0]), default=(0, 0))
        wanted, found = wanted + counts[0], found + counts[1]
    return wanted, found
