"""From the objects of a checkpoint to its weights by name: state dicts, what wraps them, what training left."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from assay.formats.pickle_values import Blob, Call, Global, Pairs, Persistent
from assay.formats.torch_objects import TensorRef, settled

DEEPEST = 100  # containers inside containers; deeper is an attack on whoever walks it
MOST_WEIGHTS = 200_000
MOST_STEPS = 10_000_000  # of a walk: few objects that hold each other many times make it endless
MODULE = 25  # steps that looking at a module is worth
MOST_NAMES = 64 << 20  # characters of all names
MOST_TOLD = 20_000  # entries of all leftovers together that are written down
MOST_SHOWN = 200  # entries of a leftover that are written down
LONGEST = 500  # characters of one
TRAINING = re.compile(
    r"(?:^|_)(?:optim(?:i[sz]er)?s?|sched(?:uler)?s?|lr|grads|rng|callbacks|loops|hparams|hyper_parameters|extra_state"
    r"|history|metrics|loss(?:es)?)(?:_|$)",
    re.IGNORECASE,
)  # whole words: an upsampler holds weights
MODULE_PREFIX = "module."


class TooDeep(Exception):
    """The objects are nested deeper than any checkpoint."""


@dataclass
class Found:
    """What a checkpoint's objects come to."""

    weights: list[tuple[str, str, TensorRef]] = field(default_factory=list)  # part, name, tensor
    wrapper: list[str] = field(default_factory=list)
    leftovers: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    named: int = 0
    room: "list[int]" = field(default_factory=lambda: [MOST_TOLD])

    def add(self, part: str, name: str, tensor: TensorRef) -> None:
        """Take a weight."""
        self.weights.append((part, name, tensor))
        self._name(part + name)
        if len(self.weights) > MOST_WEIGHTS:
            raise TooDeep

    def leave(self, name: str, value: Any) -> None:
        """Take what is no weight, in plain words."""
        self.step(1 + (len(value) if isinstance(value, (list, tuple)) else 0))
        self.leftovers[name] = plain(value, room=self.room)
        self._name(name)

    def _name(self, name: str) -> None:
        self.named += len(name)
        if self.named > MOST_NAMES:
            raise TooDeep

    def step(self, count: int, depth: int = 0) -> None:
        """Stop at what was made to be walked for ever: what holds itself, or others many times."""
        self.steps += count
        if depth > DEEPEST or self.steps > MOST_STEPS:
            raise TooDeep

    @property
    def parts(self) -> list[str]:
        """Name the sets of weights."""
        return list(dict.fromkeys(part for part, _, _ in self.weights))


def weights_of(top: Any) -> Found:
    """Find the weights in what a checkpoint unpickles to."""
    top = settled(top)
    check_depth(top)
    found = Found()
    _walk(top, (), found)
    if len(found.parts) == 1:
        part = found.parts[0]
        found.weights = [("", name, tensor) for _, name, tensor in found.weights]
        if part and not any(said.startswith(f"{part}: ") for said in found.wrapper):
            found.wrapper.append(part)
    for part in found.parts:
        names = [name for p, name, _ in found.weights if p == part]
        if len(names) > 1 and all(name.startswith(MODULE_PREFIX) for name in names):
            found.wrapper.append(f"{part}: {MODULE_PREFIX}" if part else MODULE_PREFIX)
    return found


def _walk(value: Any, path: "tuple[str, ...]", found: Found) -> None:
    """Take a value for a set of weights, a container of such, or a leftover."""
    name = ".".join(path)
    found.step(1, len(path))
    if is_module(value):
        found.wrapper.append(f"{name + ': ' if name else ''}a pickled {_class(value)}")
        _add_module(found, name, value)
    elif isinstance(value, TensorRef):
        found.add("", name or "tensor", value)
    elif not _may_hold_weights(value, path[-1] if path else "", found):
        _leave(value, name, found)
    elif _is_set(value, found):
        for key, entry in pairs(value):
            _take(entry, str(key), name, found)
    else:
        _walk_into(value, path, found)


def _walk_into(value: Any, path: "tuple[str, ...]", found: Found) -> None:
    """Walk a container of sets; a tensor that stands alone beside them is no weight."""
    for key, entry in pairs(value):
        if isinstance(entry, TensorRef) and isinstance(value, (Pairs, Call)):
            found.leave(".".join((*path, str(key))), entry)
        else:
            _walk(entry, (*path, str(key)), found)


def _leave(value: Any, name: str, found: Found) -> None:
    """Keep what is no weight in plain words."""
    if name:
        found.leave(name, value)
    elif isinstance(value, (Pairs, Call)) and pairs(value):
        for key, entry in pairs(value)[:MOST_SHOWN]:
            found.leave(str(plain(key)), entry)
    elif not _empty(value):
        found.leave("(all of it)", value)


def _take(entry: Any, key: str, part: str, found: Found) -> None:
    """Take an entry of a set of weights; containers in it give longer names."""
    found.step(1, key.count("."))
    if isinstance(entry, TensorRef):
        found.add(part, key, entry)
    elif is_module(entry):
        _add_module(found, part, entry, f"{key}.")
    elif _may_hold_weights(entry, key, found):
        for inner, value in pairs(entry):
            _take(value, f"{key}.{inner}", part, found)
    elif not _empty(entry):
        found.leave(f"{part}.{key}" if part else key, entry)


def _add_module(found: Found, part: str, module: Call, prefix: str = "") -> None:
    for name, tensor in module_tensors(module, found, prefix):
        found.add(part, name, tensor)


# ---------------------------------------------------------------- what things are
def pairs(value: Any) -> "list[tuple[Any, Any]]":
    """Give the entries of a dict, of an object made like one, or of a list by place."""
    if isinstance(value, (Pairs, Call)):
        return [(key, settled(v)) for key, v in (value.items if isinstance(value, Call) else value)]
    return [(i, settled(v)) for i, v in enumerate(value)] if isinstance(value, (list, tuple)) else []


def is_module(value: Any) -> bool:
    """Tell a pickled torch module by the state that every module has."""
    return isinstance(value, Call) and isinstance(value.state, Pairs) and value.state.get("_modules") is not None


def module_tensors(module: Call, found: Found, prefix: str = "") -> "Iterator[tuple[str, TensorRef]]":
    """Name a module's tensors as its state_dict() would."""
    found.step(MODULE, prefix.count("."))
    for own in ("_parameters", "_buffers"):
        transient = {k for k, _ in pairs(module.state.get("_non_persistent_buffers_set"))}
        for name, value in pairs(module.state.get(own)):
            if isinstance(value, TensorRef) and not (own == "_buffers" and name in transient):
                yield f"{prefix}{name}", value
    for name, child in pairs(module.state.get("_modules")):
        if is_module(child):
            yield from module_tensors(child, found, f"{prefix}{name}.")
        else:
            yield from _packed(child, found, f"{prefix}{name}")
    for name, value in pairs(module.state):
        if isinstance(value, Call) and not isinstance(value.state, Pairs):
            yield from _packed(value, found, f"{prefix}{name}")


def _packed(value: Any, found: Found, name: str) -> "Iterator[tuple[str, TensorRef]]":
    """Name the tensors of a quantised layer, whose state is a tuple, by their places in it."""
    found.step(1, name.count("."))
    if isinstance(value, TensorRef):
        yield name, value
        return
    inner = value.state if isinstance(value, Call) else value
    for place, entry in pairs(inner) if isinstance(inner, tuple) else ():
        yield from _packed(entry, found, f"{name}.{place}")


def _class(module: Call) -> str:
    func = module.func
    if isinstance(func, Global) and func.module in ("copyreg", "copy_reg") and isinstance(module.args, tuple):
        func = module.args[0]
    return f"{func.module}.{func.name}" if isinstance(func, Global) else "module"


def _is_set(value: Any, found: Found) -> bool:
    """Tell a set of weights: a dict with tensors right in it, and more of them than any container in it has."""
    entries = pairs(value) if isinstance(value, (Pairs, Call)) else []
    found.step(len(entries))
    own = sum(isinstance(v, TensorRef) and isinstance(k, (str, int)) for k, v in entries)
    others = (v for k, v in entries if not TRAINING.search(str(k)) and not _is_optimizer(v))
    return own > 0 and not any(_more_than(own, v, found) for v in others)


def _more_than(own: int, value: Any, found: Found) -> bool:
    """Tell whether a container that is a set of weights itself, or a pickled module, has more tensors."""
    if is_module(value):
        return sum(1 for _ in itertools.islice(module_tensors(value, found), own + 1)) > own
    return isinstance(value, (Pairs, Call)) and sum(isinstance(v, TensorRef) for _, v in pairs(value)) > own


def _is_optimizer(value: Any) -> bool:
    inner = value.items if isinstance(value, Call) else value
    return isinstance(inner, Pairs) and {"state", "param_groups"} <= {k for k, _ in inner if _text(k)}


def _is_history(value: Any) -> bool:
    """Tell a list of single numbers, as losses are kept in."""
    plain_list = isinstance(value, (list, tuple)) and not isinstance(value, Pairs) and len(value) > 1
    return plain_list and all(isinstance(v, TensorRef) and not v.shape for v in map(settled, value))


def _may_hold_weights(value: Any, key: str, found: Found) -> bool:
    """Tell whether a container that is not training's own holds a tensor or a module, at whatever depth."""
    if TRAINING.search(key) or _is_optimizer(value) or _is_history(value):
        return False
    seen: set[int] = set()
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, TensorRef) or is_module(one):
            return True
        if id(one) not in seen:
            seen.add(id(one))
            inner = pairs(one)
            found.step(len(inner))
            ahead += [v for _, v in inner]
    return False


def check_depth(top: Any) -> None:
    """Refuse what is nested so deep that walking it is not safe; each object is looked at once."""
    seen: set[int] = set()
    level = [top]
    for _ in range(DEEPEST):
        level = [v for one in level for v in _inner(one) if _new(v, seen)]
        if not level:
            return
    raise TooDeep


def _inner(value: Any) -> "list[Any]":
    if isinstance(value, Call):
        return [value.state, *value.args] if isinstance(value.args, tuple) else [value.state, value.args]
    return [v for _, v in pairs(value)]


def _new(value: Any, seen: "set[int]") -> bool:
    if not isinstance(value, (list, tuple, Call)) or id(value) in seen:
        return False
    seen.add(id(value))
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, (Pairs, list, tuple)) and not value)


# ---------------------------------------------------------------- leftovers in plain words
def plain(value: Any, depth: int = 0, room: "list[int] | None" = None) -> Any:
    """Write a leftover as JSON can carry it; what cannot be is described, and so is what `room` has no place for."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)[:LONGEST]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, TensorRef):
        return f"tensor {value.dtype} {list(value.shape)}"
    if isinstance(value, (bytes, Blob)):
        return f"{value.length if isinstance(value, Blob) else len(value)} bytes"
    if isinstance(value, Global):
        return f"{value.module}.{value.name}"[:LONGEST]
    return _plain_container(value, depth, room or [MOST_TOLD])


def _plain_container(value: Any, depth: int, room: "list[int]") -> Any:
    if _is_optimizer(value):
        return _optimizer(value)
    if isinstance(value, Call):
        return _plain_call(value, depth, room)
    if isinstance(value, Persistent) or not isinstance(value, (list, tuple)):
        return f"an object ({type(value).__name__.lower()})"
    if depth >= 3 or len(value) > min(MOST_SHOWN >> (2 * depth), room[0]):
        return f"{len(value)} entries"
    room[0] -= len(value)
    if isinstance(value, Pairs):
        return {str(plain(k, depth + 1, room))[:LONGEST]: plain(v, depth + 1, room) for k, v in pairs(value)}
    return [plain(v, depth + 1, room) for _, v in pairs(value)]


def _plain_call(value: Call, depth: int, room: "list[int]") -> Any:
    """Write an object by what was put into it; one that holds a single number as that number."""
    inner = value.state if isinstance(value.state, Pairs) else value.items
    if inner:
        return _plain_container(inner, depth, room)
    name = value.func.name if isinstance(value.func, Global) else "call"
    args = value.args if isinstance(value.args, tuple) else ()
    if name == "scalar" and len(args) == 2:
        return scalar(*args)
    known = [plain(a, depth + 1) for a in args[:4] if isinstance(a, (str, int, float))]
    return f"{name}({', '.join(map(str, known))})"[:LONGEST]


def scalar(kind: Any, data: Any) -> Any:
    """Read a numpy scalar: its type and its bytes."""
    import struct

    codes = {"float64": "d", "float32": "f", "int64": "q", "int32": "i", "float16": "e", "bool": "?", "uint8": "B"}
    code = codes.get(getattr(kind, "name", ""))
    if code is None or not isinstance(data, bytes) or len(data) != struct.calcsize(code):
        return f"a numpy scalar of type {getattr(kind, 'name', 'unknown')}"
    return plain(struct.unpack("<" + code if kind.little else ">" + code, data)[0])


def _optimizer(value: Any) -> str:
    state, groups = (next((v for k, v in pairs(value) if k == key), None) for key in ("state", "param_groups"))
    first = next((g for _, g in pairs(groups)), None)
    shown = {str(k): plain(v) for k, v in pairs(first) if isinstance(v, (int, float, str)) and not isinstance(v, bool)}
    settings = ", ".join(f"{k} {v}" for k, v in list(shown.items())[:6])
    held = sum(len(ids) for _, g in pairs(groups) for k, ids in pairs(g) if k == "params" and isinstance(ids, list))
    said = f"groups {len(pairs(groups))}, parameters {max(held, len(pairs(state)))}"
    return f"{said} ({settings})" if settings else said
