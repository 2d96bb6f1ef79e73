"""What an expression of upstream may stand for when nothing is run: plain values, modules as trees of names, holes."""

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from assay.upstream.index import Define, File

Shape = tuple["int | None", ...]
MOST_OPTIONS, LARGEST = 6, 2**63


class Unknown:
    """A value that the text does not tell."""

    def __repr__(self) -> str:
        return "Unknown"


UNKNOWN = Unknown()


class Items(list[Any]):
    """A list; `rest` is what further elements may be, when their number is not known."""

    def __init__(self, items: "Iterable[Any]" = (), rest: "Iterable[Any]" = ()) -> None:
        super().__init__(items)
        self.rest: list[Any] = list(rest)

    def add(self, value: Any, maybe: bool) -> None:
        """Append; what may or may not come leaves no place certain after it."""
        if maybe or self.rest:
            if not any(value is old for old in self.rest):
                self.rest.append(value)
        else:
            self.append(value)


class Pattern(str):
    """A text with holes, as a regular expression."""


class Either:
    """One of several values."""

    def __init__(self, options: "Iterable[Any]") -> None:
        self.options = list(options)


@dataclass(frozen=True)
class Tensor:
    """A tensor; one that is kept among the weights is a parameter or buffer."""

    shape: "Shape | None" = None
    kept: bool = False


@dataclass(frozen=True)
class Partial:
    """A callable with some arguments given."""

    target: Any
    args: list[Any]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A function of an object."""

    owner: Any
    define: "Define | str"


@dataclass(frozen=True)
class Closure:
    """A function inside a function, or a lambda, with the names around it."""

    file: File
    node: "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda"
    env: dict[str, Any]


class Node:
    """An object of a class; of a module, the tree of its parameters' names."""

    def __init__(self, kind: Any = None) -> None:
        self.kind = kind  # Define, or the dotted name of a class from outside
        self.attrs: dict[str, Any] = {}
        self.children: dict[str, list[Node]] = {}
        self.wild: list[tuple[re.Pattern[str], Node]] = []  # children whose name is only known in part
        self.leaves: dict[str, Shape | None] = {}
        self.optional: set[str] = set()  # of children and leaves that there may not be
        self.open = False  # whether it may hold anything

    def copy(self) -> "Node":
        """Copy what one may change without changing what is below."""
        new = Node(self.kind)
        new.attrs, new.leaves, new.optional = dict(self.attrs), dict(self.leaves), set(self.optional)
        new.children = {name: list(nodes) for name, nodes in self.children.items()}
        new.wild, new.open = list(self.wild), self.open
        return new

    def put(self, name: str, value: Any, maybe: bool) -> None:
        """Set an attribute as a module would: modules and parameters get a name among the weights."""
        if isinstance(name, Pattern):
            self._put_pattern(name, value)
            return
        nodes = [v for v in options(value) if isinstance(v, Node)]
        tensors = [v for v in options(value) if isinstance(v, Tensor) and v.kept]
        if isinstance(value, Unknown) or (name in self.leaves and isinstance(value, Tensor)):
            if name not in self.leaves:  # a buffer stays one, whatever it is set to
                self.attrs[name] = value
            return
        if not maybe:
            self.optional.discard(name)
            for place in (self.children, self.leaves, self.attrs):
                place.pop(name, None)
        elif name not in self.children and name not in self.leaves:
            self.optional.add(name)
        if nodes:
            old = self.children.setdefault(name, [])
            old += [n for n in nodes if not any(n is o for o in old)]
        for tensor in tensors:
            self.leaves[name] = tensor.shape
        if not (nodes or tensors) and (name not in self.attrs or not maybe):
            self.attrs[name] = value

    def _put_pattern(self, name: str, value: Any) -> None:
        for one in options(value):
            node = one if isinstance(one, Node) else opened()
            self.wild.append((compiled(name), node))

    def get(self, name: str) -> Any:
        """Give an attribute; UNKNOWN when it is not there."""
        if name in self.children:
            nodes = self.children[name]
            return nodes[0] if len(nodes) == 1 else Either(nodes)
        if name in self.leaves:
            return Tensor(self.leaves[name], kept=True)
        return self.attrs.get(name, UNKNOWN)

    def grow(self, value: Any, maybe: bool) -> None:
        """Append to a list of modules."""
        for one in options(value) if isinstance(value, Either) else [value]:
            node = one if isinstance(one, Node) else opened()
            if maybe or self.wild:
                self.wild.append((NUMBER, node))
            else:
                self.children[str(len(self.children))] = [node]

    def elements(self) -> Items:
        """List the children, as a loop over a list of modules sees them."""
        return Items((one(nodes) for nodes in self.children.values()), (node for _, node in self.wild))


NUMBER = re.compile(r"\d+")


def one(nodes: "list[Node]") -> Any:
    """Give the only one of several, or all as alternatives."""
    return nodes[0] if len(nodes) == 1 else Either(nodes)


def opened() -> Node:
    """Make a module that may hold anything."""
    node = Node()
    node.open = True
    return node


def compiled(pattern: str) -> "re.Pattern[str]":
    """Compile a text with holes."""
    try:
        return re.compile(pattern)
    except re.error:
        return re.compile(".*")


def options(value: Any) -> "list[Any]":
    """Give what a value may be."""
    return value.options if isinstance(value, Either) else [value]


def either(values: "Iterable[Any]") -> Any:
    """Join values of which one holds; no more than a few are told apart."""
    found: list[Any] = []
    for value in values:
        for option in value.options if isinstance(value, Either) else (value,):
            if len(found) < MOST_OPTIONS and not any(option is old or _equal(option, old) for old in found):
                found.append(option)
    if len(found) > 1 and any(isinstance(f, (Node, Tensor)) for f in found):
        found = [f for f in found if f is not None]
    return found[0] if len(found) == 1 else (Either(found) if found else UNKNOWN)


def _equal(one: Any, other: Any) -> bool:
    return (
        type(one) is type(other)
        and isinstance(one, (int, float, str, tuple, list))
        and plain(one)
        and bool(one == other)
    )


def plain(value: Any) -> bool:
    """Tell whether a value is made of numbers, texts, lists and tables only, all known."""
    if isinstance(value, str):
        return not isinstance(value, Pattern) and (value.isascii() or _whole(value))
    if value is None or isinstance(value, (bool, int, float)):
        return value is None or abs(value) < LARGEST  # neither infinite nor NaN
    if isinstance(value, Items) and value.rest:
        return False
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(plain(v) for v in value)
    return isinstance(value, dict) and all(plain(v) for v in [*value, *value.values()])


def _whole(text: str) -> bool:
    """Tell whether a text has no half characters, which no file can hold."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def mapped(call: "Callable[[Any], Any]", value: Any) -> Any:
    """Apply to each of what a value may be."""
    return either([call(v) for v in options(value)]) if isinstance(value, Either) else call(value)
