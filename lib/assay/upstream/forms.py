"""In which form a function of upstream's takes its input: a file, its bytes, a picture, an array."""

import ast
import re
from collections.abc import Callable
from typing import NamedTuple

from assay.upstream.callers import hint, parameters_of
from assay.upstream.classes import segment
from assay.upstream.index import Define, Function, Index, Outside
from assay.upstream.steps import IMAGES, SOUNDS

PATH, BYTES, PICTURE, ARRAY = "path", "bytes", "picture", "array"
COSTS = {PATH: 0, BYTES: 1, PICTURE: 1, ARRAY: 3}
DEEPEST = 4
Test = Callable[[ast.AST, "set[str]"], bool]
HINTS = (
    (re.compile(r"\bbytes\b"), BYTES),
    (re.compile(r"\bImage(\.Image)?\b"), PICTURE),
    (re.compile(r"ndarray"), ARRAY),
)
OF_PICTURES = {"convert", "crop", "getpixel", "thumbnail", "mode", "getdata"}
OF_ARRAYS = {"shape", "astype", "ndim", "dtype", "transpose", "copy", "reshape"}
TAKES_ARRAYS = re.compile(r"cv2\.(?!imread|imdecode)\w+|PIL\.Image\.fromarray|torch\.from_numpy")
TAKES_PICTURES = re.compile(r"torchvision\.transforms\.functional\.\w+|PIL\.ImageOps\.\w+|numpy\.(as)?array")
BLUE = re.compile(r"\bBGR\b|_bgr\b|COLOR_BGR2", re.I)
RED = re.compile(r"\bRGB\b|_rgb\b|COLOR_RGB2", re.I)


class Form(NamedTuple):
    """What a function takes."""

    taken: str  # path | bytes | picture | array
    kind: str  # image | audio
    order: str = ""  # of an array's colours, where upstream says it
    several: bool = False  # a list of such

    @property
    def cost(self) -> int:
        """Say how much the caller has to know."""
        return COSTS[self.taken] + self.several + (self.taken == ARRAY and not self.order)


class Forms:
    """Follows a parameter to the first thing that is done with it."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def of(self, function: Define, name: str) -> "Form | None":
        """Tell the form; None when nothing shows it."""
        found = self._of(function, name, 0)
        if found and found.taken == ARRAY:
            return found._replace(order=_order(function, name))
        return found

    def _of(self, function: Define, name: str, depth: int) -> "Form | None":
        node = function.node
        if isinstance(node, ast.ClassDef) or depth > DEEPEST:
            return None
        hinted = next((form for pattern, form in HINTS if pattern.search(hint(node, name))), "")
        names = {name}
        for inner in _in_order(node):
            several = _iterated(inner, name)
            if several:
                found = self._within(function, node, {several}, depth)
                return found._replace(several=True) if found else None
            if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Name) and inner.value.id in names:
                names |= {t.id for t in inner.targets if isinstance(t, ast.Name)}
        found = self._within(function, node, names, depth)
        return Form(hinted, "image") if hinted and (found is None or found.kind == "image") else found

    def _within(self, function: Define, node: Function, names: "set[str]", depth: int) -> "Form | None":
        for inner in _in_order(node):
            found = self._said(function, inner, names, depth)
            if found:
                return found
        return None

    def _said(self, function: Define, node: ast.AST, names: "set[str]", depth: int) -> "Form | None":
        if isinstance(node, ast.Attribute) and _is(node.value, names):
            if node.attr in OF_PICTURES:
                return Form(PICTURE, "image")
            return Form(ARRAY, "image") if node.attr in OF_ARRAYS else None
        if isinstance(node, ast.Subscript) and _is(node.value, names) and isinstance(node.slice, ast.Tuple):
            return Form(ARRAY, "image")
        if isinstance(node, ast.Call):
            return self._passed(function, node, names, depth)
        return None

    def _passed(self, function: Define, node: ast.Call, names: "set[str]", depth: int) -> "Form | None":
        given = [*node.args, *(k.value for k in node.keywords)]
        if any(_is_alone(one, names) for one in given):  # handed on as a list of one
            listed = self._on(function, node, names, depth, _is_alone)
            return listed._replace(several=False) if listed and listed.several else None
        if not any(_is(one, names) for one in given):
            return None
        thing = self.index.dotted(function.file, node.func)
        if isinstance(thing, Outside):
            return _outside(thing.name)
        return self._on(function, node, names, depth, _is)

    def _on(self, function: Define, node: ast.Call, names: "set[str]", depth: int, is_it: Test) -> "Form | None":
        """Follow a parameter into the function of the tree that it is handed on to."""
        own = self._own(function, node)
        if own is None:
            return None
        asked = parameters_of(own.node)  # type: ignore[arg-type]
        asked = asked[1:] if asked[:1] == ["self"] else asked
        by_place = next((n for n, one in zip(asked, node.args) if is_it(one, names)), "")
        by_name = next((str(k.arg) for k in node.keywords if is_it(k.value, names)), "")
        return self._of(own, by_place or by_name, depth + 1) if by_place or by_name else None

    def _own(self, function: Define, node: ast.Call) -> "Define | None":
        """Find the function of the tree that is called, also as a method of the same object."""
        thing = self.index.dotted(function.file, node.func)
        if isinstance(thing, Define):
            return None if isinstance(thing.node, ast.ClassDef) else thing
        of_self = isinstance(node.func, ast.Attribute) and _is(node.func.value, {"self"})
        if of_self and function.outer is not None:
            found = self.index.member(function.outer, node.func.attr)  # type: ignore[attr-defined]
            return found if found and not isinstance(found.node, ast.ClassDef) else None
        return None


def _outside(name: str) -> "Form | None":
    if name in SOUNDS:
        return Form(PATH, "audio")
    if name in IMAGES or name == "open":
        return Form(PATH, "image")
    if name in ("io.BytesIO", "numpy.frombuffer", "numpy.fromstring"):
        return Form(BYTES, "image")
    if TAKES_ARRAYS.fullmatch(name):
        return Form(ARRAY, "image")
    return Form(PICTURE, "image") if TAKES_PICTURES.fullmatch(name) else None


def _in_order(node: Function) -> "list[ast.AST]":
    inner = [n for n in ast.walk(node) if hasattr(n, "lineno") and n is not node]
    return sorted(inner, key=lambda n: (n.lineno, n.col_offset))  # type: ignore[attr-defined]


def _iterated(node: ast.AST, name: str) -> str:
    """Give the name that stands for each of a parameter's items where code goes through it."""
    if isinstance(node, ast.For) and _is(node.iter, {name}) and isinstance(node.target, ast.Name):
        return node.target.id
    for part in getattr(node, "generators", []):
        if _is(part.iter, {name}) and isinstance(part.target, ast.Name):
            return str(part.target.id)
    return ""


def _is(node: "ast.AST | None", names: "set[str]") -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_alone(node: ast.AST, names: "set[str]") -> bool:
    return isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 1 and _is(node.elts[0], names)


def _order(function: Define, name: str) -> str:
    """Read the order of colours from a function's name for it, its documentation and what it converts; else nothing."""
    parts = [function, *([function.outer] if function.outer else [])]
    for text in (name, *(segment(part) for part in parts)):
        blue, red = bool(BLUE.search(text)), bool(RED.search(text))
        if blue != red:
            return "BGR" if blue else "RGB"
        if blue and re.search(r"BGR\s*(->|to|2)\s*RGB", text, re.I):
            return "BGR"
    return ""
