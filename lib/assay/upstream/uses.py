"""Functions of upstream's that run the model for whoever calls them, each with the call that its parameters ask for."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from assay.records.upstream import Use
from assay.upstream.callers import arguments, defaults, hint, parameters_of
from assay.upstream.classes import is_module, segment
from assay.upstream.forms import ARRAY, BYTES, PATH, PICTURE, Form, Forms
from assay.upstream.handing import Handing
from assay.upstream.imported import imported_as
from assay.upstream.index import Define, File, Function, Index
from assay.upstream.origins import Origins
from assay.upstream.steps import IMAGE, MODEL
from assay.upstream.walking import Walk

MOST, MOST_WALKED = 2, 40
RUNS = re.compile(
    r"predict|infer|detect|recogni[sz]|classif|segment|enhance|restore|denois|dehaz|transcrib|estimat|upscale|"
    r"colori[sz]|separat|analy[sz]e|process|generate|^run|^test_|^__call__$",
    re.I,
)
NOT = re.compile(
    r"train|fit$|loss|evaluat|valid|collate|backward|export|convert|bench|plot|draw|show|save|load|build|create|"
    r"preprocess|postprocess|^forward$|^main$",
    re.I,
)
NETWORK = re.compile(r"(.*_)?(model|net|network|generator|module|backbone)(_.*)?", re.I)
WEIGHTS = re.compile(r".*(weight|checkpoint|ckpt|pretrained|model_?(path|file|name)|path_?to_?model).*", re.I)
DEVICE = re.compile(r"device|map_location|dev", re.I)
NAMES = re.compile(r"model|session|\bnet\b|self\.\w*net\w*\(", re.I)
TESTS = re.compile(r"(^|/)(tests?|docs?|examples?)/|(^|/)test_[^/]*$|(^|/)(conftest|setup)\.py$")
OPENED = {  # how the caller of a function makes what it takes, and what has to be imported for that
    PATH: ("sample", ""),
    BYTES: ('open(sample, "rb").read()', ""),
    PICTURE: ('Image.open(sample).convert("RGB")', "from PIL import Image"),
    ARRAY: ("cv2.imread(sample)", "import cv2"),
}
RED_FIRST = "cv2.cvtColor(cv2.imread(sample), cv2.COLOR_BGR2RGB)"


class Role(NamedTuple):
    """What is passed for a parameter: its text, and what a walk takes it for."""

    text: str
    walked: "str | None" = None


class Called(NamedTuple):
    """How a function is called: what makes its object, what it is given, and which of that is the input."""

    function: Define
    owner: "Define | None"
    made: "dict[str, Role]"
    given: "dict[str, Role]"
    input: str
    form: Form
    rank: "tuple[int, ...]" = ()

    @property
    def cost(self) -> "tuple[int, ...]":
        """Say how much its caller has to know, and how likely it is meant."""
        return (self.form.cost, *self.rank)


class Uses:
    """Finds functions that a caller hands an input, and that hand it on to the model."""

    def __init__(self, index: Index, origins: Origins, models: "Collection[Define]", near: Mapping[str, int]) -> None:
        self.index, self.origins, self.near = index, origins, near
        self.walk = Walk(index, origins, models)
        self.forms, self.handing = Forms(index), Handing(origins)
        self.known: dict[Define, bool] = {}

    def all(self) -> "list[Use]":
        """List the likeliest, those that also read their input first."""
        found: dict[Define, list[Called]] = {}  # by class
        for rank, function, owner in sorted(self._functions(), key=lambda one: one[0])[:MOST_WALKED]:
            called = self._called(function, owner)
            if called:
                found.setdefault(owner or function, []).append(called._replace(rank=rank[:2]))
        best = [(min(several, key=lambda one: one.cost), several) for several in found.values()]
        return [self._written(one, several) for one, several in sorted(best, key=lambda b: b[0].cost)[:MOST]]

    def _functions(self) -> "Iterator[tuple[tuple[int, int, int], Define, Define | None]]":
        """Give the functions and methods that may be meant for callers, with how likely that is."""
        for file in self.index.files.values():
            if TESTS.search(file.path.partition("/")[2]):
                continue
            for define in file.defs.values():
                yield from (
                    self._methods(file, define)
                    if isinstance(define.node, ast.ClassDef)
                    else self._ranked(file, define, None)
                )

    def _methods(self, file: File, owner: Define) -> "Iterator[tuple[tuple[int, int, int], Define, Define | None]]":
        if is_module(self.index, owner, self.known):
            return
        for node in owner.node.body:
            if isinstance(node, ast.FunctionDef) and not {"classmethod", "property"} & _decorators(node):
                method = Define(file, node, f"{owner.qualname}.{node.name}", owner)
                yield from self._ranked(file, method, owner)

    def _ranked(
        self, file: File, define: Define, owner: "Define | None"
    ) -> "Iterator[tuple[tuple[int, int, int], Define, Define | None]]":
        name = define.node.name
        private = name.startswith("_") and name != "__call__"
        if not isinstance(define.node, ast.FunctionDef) or private or NOT.search(name):
            return
        if not RUNS.search(name) and not NAMES.search(segment(define)):
            return
        yield (not RUNS.search(name), self.near.get(file.path, 99), file.path.count("/")), define, owner

    # ------------------------------------------------------------ one function
    def _called(self, function: Define, owner: "Define | None") -> "Called | None":
        """Say how a function is called, when a walk through it sees its input reach the model."""
        start = self.index.member(owner, "__init__") if owner else None
        made, _ = self._roles(start) if start else ({}, [])
        given, asked = self._roles(function)
        if any(NETWORK.fullmatch(name) and role.walked is None for name, role in given.items()):
            return None  # weights anew for each input
        walked = {name: role.walked for name, role in made.items() if role.walked}
        fed = {name: role.walked for name, role in given.items() if role.walked}
        for name in asked:
            form = self.forms.of(function, name)
            if form and self.walk.feeds(function, {**fed, name: IMAGE}, owner, start, walked):
                whole = self._filled(owner or function, start, made) if start else {}
                passed = self._filled(function, function, {**given, name: Role("", IMAGE)})
                return None if whole is None or passed is None else Called(function, owner, whole, passed, name, form)
        return None

    def _roles(self, function: Define) -> "tuple[dict[str, Role], list[str]]":
        """Say what to pass for parameters whose names tell it; and which others have to be given."""
        node = function.node
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        names, optional = parameters_of(node)[_bound(function) :], defaults(node)
        found = {name: self._role(node, name, optional.get(name)) for name in names}
        roles = {name: role for name, role in found.items() if role}
        return roles, [name for name in names if name not in roles and name not in optional]

    def _filled(self, called: Define, function: Define, roles: "dict[str, Role]") -> "dict[str, Role] | None":
        """Add what upstream's own calls pass; None when something is still missing."""
        node = function.node
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        names, optional = parameters_of(node)[_bound(function) :], defaults(node)
        said = self._passed(called, node, bound=bool(_bound(function)))
        every = {**{name: Role(text) for name, text in said.items()}, **roles}
        lacking = [name for name in names if name not in every and name not in optional]
        return None if lacking else {name: every[name] for name in names if name in every}

    @staticmethod
    def _role(node: Function, name: str, default: "ast.expr | None") -> "Role | None":
        said = hint(node, name)
        textual = isinstance(default, ast.Constant) and isinstance(default.value, str)
        if DEVICE.fullmatch(name):
            return None if default is not None else Role('"cpu"')
        if WEIGHTS.fullmatch(name) or (NETWORK.fullmatch(name) and ("str" in said or "Path" in said or textual)):
            return Role("weights")
        if NETWORK.fullmatch(name) and default is None:
            return Role("model", MODEL)
        return None

    def _passed(self, define: Define, node: Function, *, bound: bool) -> "dict[str, str]":
        """Give the plain values that upstream's own call of it passes."""
        for call in self.origins.callers.of(define)[:4]:
            passed = arguments(call.node, node, bound=bound)
            found = {name: self.origins.of(value, call.place) for name, value in passed.items()}
            return {name: repr(values[0].value) for name, values in found.items() if len(values) == 1}
        return {}

    # ------------------------------------------------------------ text
    def _written(self, called: Called, several: "list[Called]") -> Use:
        function, owner, made, given, _, form, _ = called
        blind = form.taken == ARRAY and not form.order
        others = [(one.function, one.input) for one in several] if form.taken in (ARRAY, PICTURE) else []
        made_before = self.handing.made_before(others)
        root, module = imported_as(self.index, function.file)
        first = function.qualname.partition(".")[0]
        opened, needed = OPENED[form.taken]
        opened = RED_FIRST if form.taken == ARRAY and form.order == "RGB" else opened
        opened = "sample" if form.kind == "audio" else opened
        opened = f"[{opened}]" if form.several else opened
        words = {name: Role(opened) if role.walked == IMAGE else role for name, role in given.items()}
        static = owner is not None and isinstance(function.node, ast.FunctionDef) and _static(function.node)
        named = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", first).lower()
        named = named if named != first else f"a_{first}"
        lines = ["import sys", "", *([needed] if needed else []), f"from {module} import {first}", ""]
        builds = any(role.walked == MODEL for role in (*made.values(), *given.values()))
        lines.append("weights, sample = sys.argv[1:]")
        lines += ['model = build(checkpoint=weights, device="cpu")'] if builds else []
        name = function.qualname
        if owner is not None and not static:
            lines.append(f"{named} = {first}({_passed(made)})")
            call = "" if function.node.name == "__call__" else f".{function.node.name}"
            name = f"{named}{call}"
        return Use(
            path=function.file.path,
            line=function.node.lineno,
            head=function.file.line(function.node.lineno),
            function=function.qualname,
            module=module,
            text="\n".join([*lines, f"answer = {name}({_passed(words)})", ""]),
            root=root,
            kind=form.kind,
            given=form.taken,
            builds=builds,
            open=["pre.batch", *(["pre.color"] if blind else [])],
            doubted=blind or bool(made_before),
            made_before=made_before,
        )


def _bound(function: Define) -> int:
    """Count the parameters that are not passed: self."""
    node = function.node
    return 1 if function.outer is not None and not isinstance(node, ast.ClassDef) and not _static(node) else 0


def _passed(roles: "Mapping[str, Role]") -> str:
    return ", ".join(f"{name}={role.text}" for name, role in roles.items())


def _static(node: Function) -> bool:
    return "staticmethod" in _decorators(node)


def _decorators(node: Function) -> "set[str]":
    return {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
