"""Upstream's statements with each variable named by its frame, and with what the run showed put in their place."""

from __future__ import annotations

import ast
import builtins
import copy
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from assay.drafts import paths
from assay.drafts.cut import HOLE, Piece, place
from assay.drafts.flow import called
from assay.drafts.modules import importable, top_names
from assay.drafts.observed import MARK, MISSING, Values, ident
from assay.drafts.reading import stored
from assay.drafts.seen import OWN, expression, is_json, parse_own, special

DEVICE = re.compile(r"torch\.device\(|'(cuda|mps)(:\d+)?' if .* else 'cpu'$")
THRESHOLD = re.compile(
    r"thres|_thr$|^thr$|^conf$|^conf_|_conf$|iou|^nms|_nms$|top_?k|max_det|max_boxes|^top$|^top_?n$|score_t|cutoff|candidate",
    re.I,
)


class Scopes:
    """Which names of a file belong to which frame of the run."""

    def __init__(self, pieces: list[Piece], texts: Mapping[str, str], values: Values) -> None:
        self.files = list(dict.fromkeys(p.step.file for p in pieces))
        self.texts = texts
        self.scripts: dict[str, tuple[int, set[str]]] = {}  # file -> (frame, names of the script's body)
        for i, piece in enumerate(pieces):
            if piece.function is None:
                tree = ast.parse(texts[piece.step.file])
                taken = top_names(tree) if importable(piece.step.file, tree) else set()
                models = {n for run in values.frames[i] for n in run if values.is_model(ident(n, i))}
                self.scripts[piece.step.file] = (i, (_script_names(tree) - taken) | models)

    def name(self, name: str, frame: int, piece: Piece, own: set[str]) -> str:
        """Give the full name of what a name means in a frame."""
        if name in own:
            return ident(name, frame)
        script, names = self.scripts.get(piece.step.file, (-1, set()))
        if name in names:
            return ident(name, script)
        return self.of_file(name, piece.step.file)

    def is_device(self, name: str, file: str) -> bool:
        """Tell whether a global of a file is made as a device: torch.device(...), "cuda" if ... else "cpu"."""
        body = ast.parse(self.texts[file]).body
        made = [n.value for n in body if isinstance(n, ast.Assign) and name in stored(n)]
        return len(made) == 1 and bool(DEVICE.match(ast.unparse(made[0])))

    def of_file(self, name: str, file: str) -> str:
        """Give the full name of a global of a file."""
        return ident(name, f"g{self.files.index(file)}")


def own_names(piece: Piece, values: Values, frame: int) -> set[str]:
    """Name the variables of a frame, those of the functions around it among them."""
    function = piece.function
    if function is None:
        return set()
    found = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    found |= {n for s in body for n in _bound_here(s)}
    free = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)} - found
    return found | {n for n in free if values.of(ident(n, frame))}


def _bound_here(node: ast.AST) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Global):
        return set()
    found = {node.id} if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) else set()
    return found.union(*(_bound_here(c) for c in ast.iter_child_nodes(node)))


def _script_names(tree: ast.Module) -> set[str]:
    """Name the variables of a script's body; what is imported or defined in it can be had again from the file."""
    found: set[str] = set()
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            found |= _bound_here(node)
    return found - {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


class Localise(ast.NodeTransformer):
    """Rewrites the statements of one frame."""

    def __init__(self, frame: int, piece: Piece, scopes: Scopes, values: Values, replaced: Mapping[Any, str]) -> None:
        self.frame, self.piece, self.scopes, self.values, self.replaced = frame, piece, scopes, values, replaced
        self.own = own_names(piece, values, frame)
        self.bound: list[set[str]] = []
        self.params: dict[str, Any] = {}  # option of the command line -> its value
        self.steady: set[str] = set()

    def statements(self, node: ast.stmt) -> list[ast.stmt]:
        """Rewrite a statement; a branch that was not taken leaves none, or several."""
        made = self.visit(copy.deepcopy(node))
        found = made if isinstance(made, list) else [made] if made is not None else []
        return [ast.fix_missing_locations(m) for m in found]

    def expression(self, node: ast.expr) -> ast.expr:
        """Rewrite an expression."""
        made: ast.expr = self.visit(copy.deepcopy(node))
        return ast.fix_missing_locations(made)

    # ------------------------------------------------------------ names
    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == HOLE or MARK in node.id or any(node.id in b for b in self.bound):
            return node
        if node.id == "__file__":
            inside = self.piece.step.file.partition("/")[2]
            return ast.copy_location(parse_own(f"str(SOURCE / {inside!r})"), node)
        full = self.full(node.id)
        return ast.copy_location(ast.Name(full, node.ctx), node)

    def full(self, name: str) -> str:
        """Give the full name; a builtin keeps its own."""
        full = self.scopes.name(name, self.frame, self.piece, self.own)
        return name if MARK + "g" in full and hasattr(builtins, name) else full

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        instead = self.values.instead
        if isinstance(node.value, str) and instead and posixpath.normpath(node.value) in instead:
            return ast.copy_location(parse_own("path"), node)
        inside = self._inside(node.value) if isinstance(node.value, str) else ""
        return ast.copy_location(parse_own(inside), node) if inside else node

    def _inside(self, text: str) -> str:
        """Write a relative path to what is in the tree; "" when it is none, or a mere word."""
        if text != text.strip() or text.startswith("/") or not ("/" in text or "." in text.strip(".")):
            return ""
        place = posixpath.normpath(text)
        if place == "." or place not in self.values.places:
            return ""
        return f"str(SOURCE / {place!r})" + (" + '/'" if text.endswith("/") else "")

    def _redirected(self, node: ast.expr) -> bool:
        """Tell whether an expression puts a path together that the input was read in place of."""
        text = paths.text(node, lambda name: self.values.of(self.full(name))) if self.values.instead else None
        return text is not None and posixpath.normpath(text) in self.values.instead

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        if self._redirected(node):
            return ast.copy_location(parse_own("path"), node)
        self.generic_visit(node)
        kept = (ast.Constant, ast.FormattedValue)
        node.values = [v if isinstance(v, kept) else ast.FormattedValue(v, -1) for v in node.values]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.left, ast.Name) and node.left.id == f"SOURCE{OWN}":
            return node  # written here, already a place in the tree
        if self._redirected(node):
            return ast.copy_location(parse_own("path"), node)
        self.generic_visit(node)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.bound.append({a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)})
        self.generic_visit(node)
        self.bound.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt | None:
        if self.piece.function is None:
            return None  # had from the file
        node.name = self.full(node.name)
        inner = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        self.bound.append(inner | {n for s in node.body for n in _bound_here(s)})
        self.generic_visit(node)
        self.bound.pop()
        return node

    # ------------------------------------------------------------ what was seen
    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            full = self.full(node.value.id)
            if self.values.is_namespace(full) or self.values.is_model(full) or self.values.holders(full):
                return self._option(node, full)
        self.generic_visit(node)
        return node

    def _option(self, node: ast.Attribute, full: str) -> ast.expr:
        value = self.values.attribute(full, node.attr)
        if value is MISSING:
            self.generic_visit(node)
            return node
        if isinstance(value, (int, float)) and not isinstance(value, bool) and THRESHOLD.search(node.attr):
            self.params.setdefault(node.attr, value)
            return ast.copy_location(ast.Name(ident(node.attr, "p"), ast.Load()), node)
        made = expression(value)
        if made is None:
            self.generic_visit(node)
        return node if made is None else ast.copy_location(made, node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if self._redirected(node):
            return ast.copy_location(parse_own("path"), node)
        read = self.replaced.get(place(node)) or self.replaced.get((node.lineno, called(node)))
        if read and node.args:
            given = expression({"path": read})
            node.args[0] = node.args[0] if given is None else ast.copy_location(given, node.args[0])
        moved = self._on_device(node)
        if moved is not None:
            return self.visit(moved)  # type: ignore[no-any-return]
        if ast.unparse(node.func) == "torch.cuda.is_available":
            return ast.copy_location(ast.Constant(False), node)
        self.generic_visit(node)
        return node

    def _on_device(self, node: ast.Call) -> ast.expr | None:
        """Leave tensors where they are: the caller moves them."""
        if not isinstance(node.func, ast.Attribute):
            return None
        if node.func.attr == "cuda" and not node.keywords and len(node.args) <= 1:
            return node.func.value if ast.unparse(node.func) != "torch.cuda" else None
        if node.func.attr != "to":
            return None
        args = [a for a in node.args if not self._is_device(a)]
        keywords = [k for k in node.keywords if k.arg not in ("device", "non_blocking")]
        if len(args) + len(keywords) == len(node.args) + len(node.keywords):
            return None
        if not args and not keywords:
            return node.func.value
        return ast.copy_location(ast.Call(func=node.func, args=args, keywords=keywords), node)

    def _is_device(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str) and node.value.split(":")[0] in ("cpu", "cuda", "mps")
        value: Any = MISSING
        if isinstance(node, ast.Name):
            frame, _ = self.scopes.scripts.get(self.piece.step.file, (-1, set()))
            seen = [self.values.one(n) for n in (self.full(node.id), ident(node.id, frame))]  # it may be imported, too
            value = next((v for v in seen if v is not MISSING), MISSING)
            if value is MISSING and self.full(node.id).split(MARK)[-1].startswith("g"):
                return self.scopes.is_device(node.id, self.piece.step.file)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = self.values.attribute(self.full(node.value.id), node.attr)
        elif isinstance(node, ast.Call):
            return ast.unparse(node.func) == "torch.device"
        return special(value, "device") is not None or (
            isinstance(value, str) and value.split(":")[0] in ("cpu", "cuda")
        )

    # ------------------------------------------------------------ branches
    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        known = self.decided(node.test)
        return node if known is None else node.body if known else node.orelse

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        test = self.visit(copy.deepcopy(node.test))
        known = self.decided(test)
        if known is None:
            self.generic_visit(node)
            node.body = node.body or [ast.Pass()]
            return node
        taken = node.body if known else node.orelse
        made: list[ast.stmt] = []
        for statement in taken:
            done = self.visit(statement)
            made += done if isinstance(done, list) else [done] if done is not None else []
        return made

    def visit_For(self, node: ast.For) -> ast.stmt:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_With(self, node: ast.With) -> ast.stmt:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        return None

    def visit_Assert(self, node: ast.Assert) -> None:
        return None

    def decided(self, test: ast.expr) -> bool | None:
        """Decide a condition that rests on literals and options alone; None when it does not."""
        try:
            return bool(self._value(test))
        except (ValueError, TypeError):
            return None

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.Tuple, ast.List)):
            return [self._value(e) for e in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._value(node.operand)
        if isinstance(node, ast.BoolOp):
            return self._either(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return _compared(node.ops[0], self._value(node.left), self._value(node.comparators[0]))
        if isinstance(node, ast.Name) and node.id in self.steady and not THRESHOLD.search(node.id.split(MARK)[0]):
            value = self.values.one(node.id)
            if value is not MISSING and is_json(value) and not isinstance(value, dict):
                return value
        raise ValueError

    def _either(self, node: ast.BoolOp) -> Any:
        """Decide `and` and `or` from what is known of their parts."""
        stop = isinstance(node.op, ast.Or)
        known = [self.decided(v) for v in node.values]
        if stop in known:
            return stop
        if None in known:
            raise ValueError
        return not stop


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, (ast.Eq, ast.Is)):
        return bool(left == right)
    if isinstance(op, (ast.NotEq, ast.IsNot)):
        return bool(left != right)
    if isinstance(op, ast.In):
        return left in right
    if isinstance(op, ast.NotIn):
        return left not in right
    if isinstance(op, ast.Gt):
        return bool(left > right)
    if isinstance(op, ast.GtE):
        return bool(left >= right)
    return bool(left < right) if isinstance(op, ast.Lt) else bool(left <= right)


def steady(pieces: list[Piece], own: list[set[str]], texts: Mapping[str, str]) -> set[str]:
    """Name the variables that are bound once, by no loop: what they held at the call they always hold."""
    found: set[str] = set()
    for i, piece in enumerate(pieces):
        function: Any = piece.function or ast.parse(texts[piece.step.file])
        counts: dict[str, int] = {}
        loops: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                counts[node.id] = counts.get(node.id, 0) + 1
            elif isinstance(node, (ast.For, ast.comprehension)):
                loops |= stored(node.target)
            elif isinstance(node, ast.arg):
                counts[node.arg] = counts.get(node.arg, 0) + 1
        names = own[i] if piece.function is not None else set(counts)
        found |= {ident(n, i) for n in names if counts.get(n, 0) <= 1 and n not in loops}
    return found
