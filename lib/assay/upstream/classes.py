"""Which classes and functions of upstream may build the checkpoint's model, the likeliest first."""

import ast
import posixpath
import re
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from assay.upstream.abstract import UNKNOWN, Node, options
from assay.upstream.building import Builder
from assay.upstream.index import Define, Index, Outside
from assay.upstream.keytree import Fit, Keys

MOST, MOST_TRIED, LEAST = 12, 160, 0.02
MOST_STEPS, MOST_SPARE, GOOD, MOST_CONFIGS = 200_000, 120_000, 0.97, 40
CONFIGS = {"cfg", "config", "yaml", "cfg_path", "config_path", "yaml_file"}
BASES = re.compile(
    r"(.*\.)?(Module|LightningModule|ScriptModule|BaseModule|PreTrainedModel|ModelMixin|PyTorchModelHubMixin)"
)
WORD = re.compile(r"[A-Za-z_]\w*")
RUNS = {"main", "run", "test", "demo", "detect", "predict", "infer", "inference", "evaluate", "eval"}
TRAINS = {"backward", "DataLoader", "optim", "optimizer", "add_argument", "parse_args"}
COMMON = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


class Ranked(NamedTuple):
    """A class or function, and how well it explains the checkpoint."""

    define: Define
    kind: str
    fit: Fit
    node: Node
    given: dict[str, str]  # the arguments that it fits best with, when they are not its defaults


def is_module(index: Index, define: Define, known: "dict[Define, bool]") -> bool:
    """Follow a class's bases until one is a module of torch, or what is called like one."""
    if define in known or not isinstance(define.node, ast.ClassDef):
        return known.get(define, False)
    known[define] = False
    for base in index.bases(define):
        if isinstance(base, Define) and isinstance(base.node, ast.ClassDef):
            known[define] = is_module(index, base, known)
        elif isinstance(base, Outside):
            known[define] = base.name.startswith("torch.nn.") or bool(BASES.fullmatch(base.name))
        if known[define]:
            return True
    return False


def factories(index: Index, classes: "Collection[Define]") -> "list[Define]":
    """List the functions that return something and name one of the classes, or a function that does."""
    names = {c.node.name for c in classes}
    functions = [d for d in index.definitions() if isinstance(d.node, ast.FunctionDef) and _returns(d.node)]
    words = {f: _words(f) for f in functions}
    functions = [f for f in functions if not words[f] & TRAINS and f.node.name not in RUNS]
    found: dict[Define, None] = {}
    for _ in range(3):
        more = [f for f in functions if f not in found and words[f] & names]
        found.update(dict.fromkeys(more))
        names = {f.node.name for f in more}
    return list(found)


def _returns(node: ast.FunctionDef) -> bool:
    waiting: list[ast.stmt] = list(node.body)
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.Return) and inner.value is not None:
            return True
        if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            waiting += [n for n in ast.iter_child_nodes(inner) if isinstance(n, ast.stmt)]
    return False


def _words(define: Define) -> "set[str]":
    return set(WORD.findall(segment(define)))


def segment(define: Define) -> str:
    """Give a definition's own lines."""
    lines = define.file.text.split("\n")
    return "\n".join(lines[define.node.lineno - 1 : define.node.end_lineno])


class Ranking:
    """Builds what may be the model, in the abstract, and ranks it by how it explains the keys."""

    def __init__(self, index: Index, builder: Builder, keys: Keys, near: Mapping[str, int], name: str = "") -> None:
        self.index, self.builder, self.keys, self.near, self.name = index, builder, keys, near, name
        self.left, self.spare = MOST_STEPS, MOST_SPARE
        self.top = 0.0  # the best score so far: with a good one the others need no second try
        self.known: dict[Define, bool] = {}

    def run(self) -> "list[Ranked]":
        """Rank the classes, then the functions that lead to the best of them."""
        classes = [d for d in self.index.definitions() if is_module(self.index, d, self.known)]
        found = self._tried(_likely(self.index, classes, self.keys))
        best = sorted(found, key=self._order)[:MOST]
        found += self._tried(_likely(self.index, factories(self.index, [r.define for r in best]), self.keys))
        ranked = sorted(found, key=self._order)[:MOST]
        some = any(r.fit.matched for r in ranked)
        return [r for r in ranked if r.fit.matched or not some]

    def _tried(self, defines: "list[Define]") -> "list[Ranked]":
        found = []
        for define in defines:
            if self.left <= 0:
                break
            best = self._best(define)
            if best and best.fit.score >= LEAST:
                self.top = max(self.top, best.fit.score)
                found.append(best)
        return found

    def _best(self, define: Define) -> "Ranked | None":
        """Build with defaults; when that explains a part only, also with nothing known."""
        best = self._built(define, {})
        self.left -= self.builder.steps
        if best is None or max(best.fit.score, self.top) > GOOD:
            return best
        names = parameters(self.index, define)
        others = self._configured(define) or ([dict.fromkeys(names, UNKNOWN)] if names else [])
        for given in others:
            made = self._built(define, given) if self.spare > 0 else None
            self.spare -= self.builder.steps
            if made and made.fit.score > best.fit.score:
                best = made
            if best.fit.score > GOOD:
                break
        return best

    def _built(self, define: Define, given: "dict[str, Any]") -> "Ranked | None":
        value = self.builder.build(define, given)
        values = value if isinstance(value, tuple) else options(value)
        nodes = [v for v in values if isinstance(v, Node) and not v.open and self._is_module(v)]
        fits = [(self.keys.fit(n), n) for n in nodes]
        if not fits:
            return None
        fit, node = max(fits, key=lambda f: f[0].score)
        kind = "class" if isinstance(define.node, ast.ClassDef) else "factory"
        told = {name: value for name, value in given.items() if isinstance(value, str)}
        return Ranked(define, kind, fit, node, told)

    def _configured(self, define: Define) -> "list[dict[str, Any]]":
        """Offer files of settings to what asks for one by name, those called like the checkpoint first."""
        if self.builder.settings is None:
            return []
        for name, default in parameters(self.index, define).items():
            named = isinstance(default, ast.Constant) and str(default.value).endswith((".yaml", ".yml"))
            if named or (name in CONFIGS and default is None):
                own = [f for f in self.builder.settings.files if f.startswith(define.file.name + "/")]
                files = sorted((f for f in own if f.endswith((".yaml", ".yml"))), key=self._alike)
                return [{name: f.partition("/")[2]} for f in files[:MOST_CONFIGS]]
        return []

    def _alike(self, path: str) -> "tuple[float, str]":
        own, asked = (posixpath.basename(p).partition(".")[0].lower() for p in (path, self.name))
        return -SequenceMatcher(None, own, asked).ratio(), path

    def _is_module(self, node: Node) -> bool:
        return isinstance(node.kind, str) or (
            isinstance(node.kind, Define) and is_module(self.index, node.kind, self.known)
        )

    def _order(self, ranked: Ranked) -> "tuple[Any, ...]":
        file, fit, define = ranked.define.file.path, ranked.fit, ranked.define
        loads = ranked.kind == "factory" and "torch.load(" in segment(define)
        asked = None in parameters(self.index, define).values()
        near = self.near.get(file, 99)
        return (
            -round(fit.score, 2),
            near,
            -fit.shaped,
            loads,
            -fit.matched,
            asked,
            ranked.kind,
            file,
            define.node.lineno,
        )


def parameters(index: Index, define: Define) -> "dict[str, ast.expr | None]":
    """List what a class or function asks for, with its defaults."""
    node: ast.AST = define.node
    if isinstance(node, ast.ClassDef):
        start = index.member(define, "__init__")
        if start is None:
            return {}
        node = start.node
    asked: ast.arguments = node.args  # type: ignore[attr-defined]
    names = [a.arg for a in [*asked.posonlyargs, *asked.args]]
    found: dict[str, ast.expr | None] = dict.fromkeys(names)
    found.update(zip(reversed(names), reversed(asked.defaults)))
    found.update((a.arg, d) for a, d in zip(asked.kwonlyargs, asked.kw_defaults))
    if isinstance(define.node, ast.ClassDef) and names:
        found.pop(names[0])
    return found


def _likely(index: Index, defines: "list[Define]", keys: Keys) -> "list[Define]":
    """Take those whose text, or that of what they inherit from, has most of the keys' words."""
    firsts = {name for name in keys.firsts() if not name.isdigit()} - COMMON
    asked = {re.sub(r"\d+$", "", word) for word in keys.words - COMMON}
    scores = {}
    for define in defines:
        words = (
            set().union(*(_words(d) for d in index.lineage(define)))
            if isinstance(define.node, ast.ClassDef)
            else _words(define)
        )
        stems = {re.sub(r"\d+$", "", word) for word in words}
        scores[define] = 3 * len(firsts & words) + len(asked & stems)
    order = sorted(defines, key=lambda d: (-scores[d], d.file.path, d.node.lineno))
    return order[:MOST_TRIED]
