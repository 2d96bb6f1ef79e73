"""Pages of Gradio: the function behind an interface is called with what its one input component would give it."""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

from assay.upstream.index import File
from assay.upstream.paged import Paged, aliases, unguarded
from assay.upstream.service import CannotWrite, last_of
from assay.upstream.slicing import bound, loaded
from assay.upstream.uploads import ANSWER, SAMPLE

GRADIO = "gradio"
EVENTS = ("click", "change", "submit", "upload")
PICTURE = f'ImageOps.exif_transpose(Image.open({SAMPLE})).convert("RGB")'  # as the component reads it
PILLOW = ("from PIL import Image", "from PIL import ImageOps")
# component, the type that it is asked for -> what it gives, what has to be imported for that
GIVES = {
    ("Image", "pil"): (PICTURE, PILLOW),
    ("Image", "numpy"): (f"numpy.asarray({PICTURE})", ("import numpy", *PILLOW)),
    ("Audio", "filepath"): (SAMPLE, ()),
}
BEGINS = {"Image": "numpy", "Audio": "numpy"}
CHANGES = {"shape", "image_mode", "invert_colors", "tool", "crop_size", None}  # what else it would do
OTHERWISE = {"batch", "preprocess", "postprocess", None}  # an interface that calls in another way


class Asked(NamedTuple):
    """What an interface calls, and with what."""

    call: ast.Call
    function: str
    given: str
    imports: "tuple[str, ...]"


class Parted(Paged):
    """Leaves the interface out of a file's lines: all that Gradio makes, and what is done with it."""

    def _is_of_page(self, node: "ast.Assign | ast.AnnAssign") -> bool:
        if self.word(node.value) or (node.value is not None and self.is_page(node.value)):
            self.page |= bound(node)
            return True
        return super()._is_of_page(node)

    def _said(self, node: ast.Expr) -> "list[ast.stmt]":
        return [] if loaded(node) & self.page else super()._said(node)

    def _within(self, node: ast.With) -> "list[ast.stmt]":
        if any(self.word(item.context_expr) for item in node.items):
            self.page |= {name for item in node.items if item.optional_vars for name in bound(item.optional_vars)}
            return self._lines(node.body)
        return super()._within(node)


def asked(file: File) -> "Asked | None":
    """Find the one function that an interface calls with a picture or a sound."""
    page = Parted(aliases(file, GRADIO))
    calls = [n for n in ast.walk(file.tree) if isinstance(n, ast.Call) and _is_interface(n, page)]
    found = [one for call in calls for one in _asked(call, file, page)]
    return found[0] if len(calls) == len(found) == 1 else None


def lines(file: File, what: Asked) -> "list[ast.stmt]":
    """Write the file without its interface, and the call at its end."""
    tree = copy.deepcopy(file.tree)
    names = {n.partition("import ")[2] for n in what.imports}
    if names & {*file.defs, *file.assigned, SAMPLE} or what.function not in file.defs:
        raise CannotWrite("what reads the input is called otherwise")
    shown = ast.parse(f"{ANSWER} = {what.function}({what.given})\nprint({ANSWER})").body
    return [*Parted(aliases(file, GRADIO)).lines(list(unguarded(tree.body))), *shown]


def _is_interface(call: ast.Call, page: Paged) -> bool:
    event = isinstance(call.func, ast.Attribute) and call.func.attr in EVENTS and bool(call.args or call.keywords)
    return event or page.word(call) in ("Interface", "TabbedInterface", "ChatInterface")


def _asked(call: ast.Call, file: File, page: Paged) -> "Iterator[Asked]":
    named = {k.arg: k.value for k in call.keywords}
    function = named.get("fn") or (call.args[0] if call.args else None)
    given = named.get("inputs") or (call.args[1] if len(call.args) > 1 else None)
    if isinstance(given, ast.List) and len(given.elts) == 1:
        given = given.elts[0]
    component = _component(given, file, page)
    if isinstance(function, ast.Name) and component in GIVES and not OTHERWISE & set(named):
        yield Asked(call, function.id, *GIVES[component])


def _component(node: "ast.expr | None", file: File, page: Paged) -> "tuple[str, str] | None":
    """Say which component is meant, and what type of value it is asked for."""
    if isinstance(node, ast.Constant) and node.value in ("image", "audio"):
        return str(node.value).title(), BEGINS[str(node.value).title()]
    if isinstance(node, ast.Name):
        made = [n.value for n in ast.walk(file.tree) if isinstance(n, ast.Assign) and node.id in bound(n)]
        return _component(made[0], file, page) if len(made) == 1 and not isinstance(made[0], ast.Name) else None
    word = last_of(node.func) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or word not in BEGINS or not _of(node.func, page):
        return None
    named = {k.arg: k.value for k in node.keywords}
    kind = named.get("type", ast.Constant(BEGINS[word]))
    if node.args or CHANGES & set(named) or not isinstance(kind, ast.Constant):
        return None
    return word, str(kind.value)


def _of(node: ast.expr, page: Paged) -> bool:
    """Tell gr.Image, and gr.inputs.Image as it once was."""
    inner = node.value if isinstance(node, ast.Attribute) else None
    inner = inner.value if isinstance(inner, ast.Attribute) and inner.attr in ("inputs", "components") else inner
    return inner is not None and page.is_page(inner)
