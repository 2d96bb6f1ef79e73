"""What a class or factory may be called with: whole call sites, single values, defaults, each with where it stands."""

from __future__ import annotations

import ast
import inspect
from types import FunctionType, ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from assay_worker import match_configs
from assay_worker.match_values import Parameter, Value

MOST_VALUES = 12  # of one parameter that are tried
SIMPLE = (bool, int, float, str, type(None))


Assignment = Dict[str, Value]  # what is passed; the other parameters keep their defaults


class Options(dict):  # type: ignore[type-arg]
    """A dict whose entries are attributes too, for classes that want either."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            self.__dict__.setdefault("_lacked", []).append(name)
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Call(NamedTuple):
    """One of upstream's own calls, as far as what it passes is known."""

    given: Assignment
    unknown: Tuple[str, ...]  # passed, and not known
    entry: bool  # an entrypoint comes to it
    where: str
    text: str


class Space(NamedTuple):
    """All that a candidate may be called with."""

    parameters: Dict[str, Parameter]
    calls: Tuple[Call, ...]


def space(target: Callable[..., Any], candidate: Dict[str, Any], words: Tuple[Value, ...] = ()) -> Space:
    """Join a signature with the evidence for it; `words` are what its class compares with."""
    globals_ = _globals(target)
    known = {p["name"]: p for p in candidate.get("parameters", [])}
    found: Dict[str, Parameter] = {}
    greedy = False
    for p in _signature(target):
        if p.kind is p.VAR_KEYWORD:
            greedy = True
            continue
        shape = "*args" if p.kind is p.VAR_POSITIONAL else "named"
        required = p.default is p.empty and shape == "named"
        default = None if p.default is p.empty else p.default
        found[p.name] = Parameter(p.name, shape, required, default, _values(known.get(p.name), default), words)
    for name, p in known.items():
        if greedy and name not in found and not p["kind"].startswith("*"):
            found[name] = Parameter(name, "**kwargs", False, p.get("default"), _values(p, p.get("default")))
    found = {name: match_configs.completed(p, target, globals_) for name, p in found.items()}
    calls = [_call(call, found, globals_) for call in candidate.get("calls", [])]
    return Space(found, tuple(sorted(calls, key=lambda call: not call.entry)))


def _signature(target: Callable[..., Any]) -> List[inspect.Parameter]:
    try:
        return list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return []


def _values(evidence: Optional[Dict[str, Any]], default: Any) -> Tuple[Value, ...]:
    found: List[Value] = []
    for v in (evidence or {}).get("values", []):
        if isinstance(v["value"], dict) and "unknown" in v["value"]:
            continue
        one = Value(
            v["value"], v.get("by", "literal"), v.get("where", ""), v.get("text", ""), _form(v["value"], default)
        )
        if one.key not in [other.key for other in found]:
            found.append(one)
    return tuple(found[:MOST_VALUES])


def _form(value: Any, default: Any) -> str:
    return "tuple" if isinstance(value, list) and isinstance(default, tuple) else ""


# ---------------------------------------------------------------- whole calls
def _call(call: Dict[str, Any], known: Dict[str, Parameter], globals_: Dict[str, Any]) -> Call:
    """Read a call site."""
    where, text = call.get("where", ""), call.get("text", "")
    passed = {name: value for name, value in call.get("args", {}).items() if name in known}
    read = {name: _passed(value, known[name], (where, text), globals_) for name, value in passed.items()}
    given = {name: value for name, value in read.items() if value is not None}
    unknown = tuple(name for name, value in read.items() if value is None)
    if any(name.startswith("*") for name in call.get("args", {})):  # it may pass any of the others
        unknown += tuple(name for name in known if name not in read)
    return Call(given, unknown, bool(call.get("entry")), where, text)


def _passed(value: Any, parameter: Parameter, cited: Tuple[str, str], globals_: Dict[str, Any]) -> Optional[Value]:
    """Read one argument; None when it is not known what is passed."""
    if not (isinstance(value, dict) and set(value) == {"unknown"}):
        return Value(value, "call", *cited, form=_form(value, parameter.default))
    source = str(value["unknown"])
    try:
        made = evaluated(source, globals_)
    except Exception:
        return None
    return Value(made, "call", *cited) if isinstance(made, SIMPLE) else Value(source, "call", *cited, "code", made)


def evaluated(source: str, globals_: Dict[str, Any]) -> Any:
    """Evaluate what a call passes, when every name in it means the same everywhere: a class, function or module."""
    tree = ast.parse(source.strip(), mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not _fixed(node.id, globals_):
            raise ValueError(f"{node.id} may be anything there")
        if isinstance(node, (ast.Lambda, ast.Await, ast.Yield, ast.NamedExpr)):
            raise ValueError("no plain value")
    return eval(compile(tree, "<call>", "eval"), dict(globals_))  # upstream's own code, in upstream's own sandbox


def _fixed(name: str, globals_: Dict[str, Any]) -> bool:
    if name in globals_:
        held = globals_[name]
        return isinstance(held, (type, FunctionType, ModuleType)) or name.isupper()
    return name in ("len", "dict", "list", "tuple", "int", "float", "str", "bool", "range", "min", "max", "sum")


def _globals(target: Any) -> Dict[str, Any]:
    import sys

    module = sys.modules.get(getattr(target, "__module__", ""))
    return dict(vars(module)) if module else {}


# ---------------------------------------------------------------- handing over
def bound(given: Assignment, known: Dict[str, Parameter]) -> Tuple[List[Any], Dict[str, Any]]:
    """Turn an assignment into what a call takes."""
    starred = next((p.name for p in known.values() if p.kind == "*args"), "")
    positional: List[Any] = []
    named = {name: real(value) for name, value in given.items() if name != starred}
    if starred and starred in given:
        for p in known.values():
            if p.name == starred:
                break
            positional.append(named.pop(p.name) if p.name in named else p.default)
        positional += list(real(given[starred]))
    return positional, named


def real(value: Value) -> Any:
    """Make the object that is handed over."""
    if value.form == "code":
        return value.made
    if value.form.startswith("object:"):
        return value.made(**value.value)
    if value.form == "tuple":
        return _tuples(value.value)
    return _options(value.value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _options(value: Any) -> Any:
    if isinstance(value, dict):
        return Options({k: _options(v) for k, v in value.items()})
    return [_options(v) for v in value] if isinstance(value, list) else value


def plain(value: Any) -> bool:
    """Tell whether a default can be written down as JSON."""
    if isinstance(value, (list, tuple)):
        return all(plain(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and plain(v) for k, v in value.items())
    return isinstance(value, SIMPLE)


def of_default(parameter: Parameter) -> Optional[Value]:
    """Give a default as a value that can be varied; None when it is none."""
    if parameter.required or parameter.kind == "*args" or not plain(parameter.default):
        return None
    form = "tuple" if isinstance(parameter.default, tuple) else ""
    return Value(_lists(parameter.default), "default", form=form)


def _lists(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_lists(v) for v in value]
    return {k: _lists(v) for k, v in value.items()} if isinstance(value, dict) else value
