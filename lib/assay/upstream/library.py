"""What builtins, torch.nn and the like do when a constructor calls them in the abstract."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.upstream.abstract import (
    UNKNOWN,
    Either,
    Items,
    Node,
    Partial,
    Pattern,
    Tensor,
    Unknown,
    either,
    opened,
    options,
    plain,
)  # fmt: skip
from assay.upstream.evaluate import PURE, spread
from assay.upstream.index import Define, Outside, Package
from assay.upstream.layers import layer

if TYPE_CHECKING:
    from assay.upstream.building import Builder, Frame

CONTAINERS = {"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
WRAPPED = {
    "weight_norm": ("weight", ("weight_g", "weight_v"), ("original0", "original1")),
    "spectral_norm": ("weight", ("weight_orig", "weight_u", "weight_v"), ("original", "_u", "_v")),
}
MADE_TENSORS = {
    "zeros", "ones", "randn", "rand", "empty", "tensor", "full", "arange", "linspace", "eye", "FloatTensor", "Tensor",
    "from_numpy", "LongTensor", "zeros_like", "ones_like", "empty_like", "normal", "as_tensor", "triu", "tril", "stack",
    "cat", "Parameter", "Buffer", "UninitializedParameter",
}  # fmt: skip
KEPT = ("Parameter", "Buffer", "UninitializedParameter")
MODELS = (
    "torchvision.models", "timm.", "segmentation_models_pytorch", "torch.hub", "transformers.", "efficientnet_pytorch",
)  # fmt: skip
READS = ("safe_load", "load", "full_load")
LISTS = (
    "list",
    "tuple",
    "enumerate",
    "zip",
    "reversed",
    "dict",
    "OrderedDict",
    "collections.OrderedDict",
    "len",
    "set",
)
TYPES: dict[str, type | tuple[type, ...]] = {
    "int": int, "float": float, "str": str, "list": list, "tuple": tuple, "dict": dict, "bool": bool,
}  # fmt: skip


# ---------------------------------------------------------------- what needs the frame
def _getattr(builder: "Builder", frame: "Frame", args: Items, kwargs: "dict[str, Any]") -> Any:
    if len(args) < 2 or not isinstance(args[1], str) or isinstance(args[1], Pattern):
        return UNKNOWN
    return builder.attribute(args[0], args[1])


def _setattr(builder: "Builder", frame: "Frame", args: Items, kwargs: "dict[str, Any]") -> Any:
    if len(args) == 3:
        for owner in options(args[0]):
            if isinstance(owner, Node):
                owner.put(named(args[1]), args[2], bool(frame.maybe))


def _eval(builder: "Builder", frame: "Frame", args: Items, kwargs: "dict[str, Any]") -> Any:
    text = args[0] if args else None
    if not isinstance(text, str) or isinstance(text, Pattern) or len(text) > 500:
        return UNKNOWN
    try:
        found = builder.evaluate(ast.parse(text.strip(), mode="eval").body, frame)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNKNOWN
    return UNKNOWN if isinstance(found, Outside) and "." not in found.name else found


def _isinstance(builder: "Builder", frame: "Frame", args: Items, kwargs: "dict[str, Any]") -> Any:
    if len(args) != 2 or isinstance(args[0], (Unknown, Either)):
        return UNKNOWN
    asked = args[1] if isinstance(args[1], tuple) else (args[1],)
    if isinstance(args[0], Node):
        return _is_kind(builder, args[0], asked)
    names = [a.name if isinstance(a, Outside) else "" for a in asked]
    if plain(args[0]) or isinstance(args[0], (list, dict, tuple)):
        known = [TYPES[n] for n in names if n in TYPES]
        return any(isinstance(args[0], k) for k in known)
    return False if all(n in TYPES for n in names) else UNKNOWN


def _is_kind(builder: "Builder", node: Node, asked: "tuple[Any, ...]") -> Any:
    if node.open or node.kind is None:
        return UNKNOWN
    names = [a.name.rpartition(".")[2] for a in asked if isinstance(a, Outside)]
    if isinstance(node.kind, str):
        return node.kind in names or (UNKNOWN if "Module" in names else False)
    line = builder.index.lineage(node.kind)
    if any(a in line for a in asked if isinstance(a, Define)):
        return True
    return UNKNOWN if names or not all(isinstance(a, Define) for a in asked) else False


def _hasattr(builder: "Builder", frame: "Frame", args: Items, kwargs: "dict[str, Any]") -> Any:
    return UNKNOWN


def _globals(builder: "Builder", frame: "Frame", args: Items, kwargs: "dict[str, Any]") -> Any:
    return Package(frame.file, "", frame.file)


SYNTAX: dict[str, Callable[..., Any]] = {
    "getattr": _getattr, "setattr": _setattr, "eval": _eval, "isinstance": _isinstance, "hasattr": _hasattr,
    "globals": _globals,
}  # fmt: skip


# ---------------------------------------------------------------- calls of what is not in the tree
def outside(builder: "Builder", name: str, args: Items, kwargs: "dict[str, Any]", maybe: bool) -> Any:
    """Call a function or class from outside the tree."""
    short = name.rpartition(".")[2]
    if name in PURE or name.replace("np.", "numpy.") in PURE:
        return _pure(name, args, kwargs)
    if name in ("functools.partial", "partial"):
        return Partial(args[0], list(args[1:]), kwargs) if args else UNKNOWN
    if name in ("copy.deepcopy", "copy.copy"):
        return _copied(args[0]) if args else UNKNOWN
    if short in WRAPPED and args:
        return _wrapped(args[0], short)
    if name.startswith(("torch.nn.", "torch.jit")) and short not in MADE_TENSORS:
        return _of_torch(short, args, kwargs)
    if name.startswith("torch.") and short in MADE_TENSORS:
        return Tensor(_shape(short, args), kept=short in KEPT)
    if name == "open" or short == "Path":
        return args[0] if args else UNKNOWN
    if builder.settings and short in READS and name.startswith(("yaml", "json")):
        return builder.settings.values(args[0]) if args and isinstance(args[0], str) else UNKNOWN
    made = short[:1].isupper() and "." in name and not name.startswith(("numpy", "os.", "torch."))
    return opened() if made or name.startswith(MODELS) else UNKNOWN


def _pure(name: str, args: Items, kwargs: "dict[str, Any]") -> Any:
    if len(args) == 1 and isinstance(args[0], Node):
        args = Items([args[0].elements()])
    if args.rest or any(isinstance(a, (Unknown, Either, Pattern, Tensor, Node)) for a in args):
        return _unsure(name, args)
    loose = [a for a in args if isinstance(a, Items) and a.rest]
    if loose:
        return _unsure(name, args)
    if name not in LISTS and not (plain(args) and plain(kwargs)):
        return UNKNOWN
    try:
        found = PURE[name](*args, **kwargs)
    except Exception:  # whatever upstream asks of a builtin may fail
        return UNKNOWN
    return found


def _unsure(name: str, args: Items) -> Any:
    """Say what is known of a list whose length is not."""
    if name in ("range", "numpy.arange"):
        return Items(rest=[UNKNOWN])
    if name == "enumerate" and args:
        values = spread(args[0])
        return Items(enumerate(values), [(UNKNOWN, v) for v in values.rest])
    if name == "zip":
        lists = [spread(a) for a in args]
        if lists and all(not v.rest for v in lists):
            return Items(zip(*lists))
        rest = tuple(either([*v, *v.rest]) if v or v.rest else UNKNOWN for v in lists)
        return Items(rest=[rest])
    if name in ("list", "tuple", "reversed") and args:
        values = spread(args[0])
        return Items(values, values.rest) if name != "reversed" else Items(rest=[*values, *values.rest])
    return UNKNOWN


def _copied(value: Any) -> Any:
    if isinstance(value, Node):
        return value.copy()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, Items):
        return Items((_copied(v) for v in value), value.rest)
    return value


def _wrapped(value: Any, by: str) -> Any:
    """Rename a layer's weight as weight_norm and spectral_norm do, the old way and the new."""
    if isinstance(value, Either):
        return either([_wrapped(v, by) for v in value.options])
    if not isinstance(value, Node) or "weight" not in value.leaves:
        return value
    node = value.copy()
    name, old, new = WRAPPED[by]
    node.leaves.pop(name, None)
    for leaf in old:
        node.leaves[leaf] = None
        node.optional.add(leaf)
    inner, first = Node("ParametrizationList"), Node("Parametrization")
    outer = Node("ModuleDict")
    inner.children["0"] = [first]
    for leaf in new:
        place = first if leaf.startswith("_") else inner
        place.leaves[leaf] = None
        place.optional.add(leaf)
    outer.children[name] = [inner]
    node.children["parametrizations"] = [outer]
    node.optional.add("parametrizations")
    return node


def _shape(name: str, args: Items) -> Any:
    sizes = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
    loose = isinstance(sizes, Items) and bool(sizes.rest)
    if loose or name not in ("zeros", "ones", "randn", "rand", "empty", "Tensor", "FloatTensor"):
        return args[0].shape if args and isinstance(args[0], Tensor) else None
    return tuple(s if isinstance(s, int) else None for s in sizes) or None


def _of_torch(name: str, args: Items, kwargs: "dict[str, Any]") -> Any:
    if name in CONTAINERS:
        node = Node(name)
        contain(node, name, args, kwargs)
        return node
    if name in ("DataParallel", "DistributedDataParallel"):
        node = Node(name)
        node.put("module", args[0] if args else UNKNOWN, maybe=False)
        return node
    if name in ("script", "trace", "freeze", "script_method"):
        return args[0] if args else UNKNOWN
    known = layer(name, args, kwargs)
    if known is not None:
        return known
    return opened() if name[:1].isupper() else UNKNOWN


def contain(node: Node, name: str, args: Items, kwargs: "dict[str, Any]") -> None:
    """Fill Sequential, ModuleList and ModuleDict."""
    first = args[0] if len(args) == 1 else None
    if isinstance(first, dict):
        for key, value in first.items():
            node.put(str(key), value if is_part(value) else opened(), maybe=False)
        return
    if name in ("ModuleDict", "ParameterDict"):
        node.open = bool(args)
        return
    values = args if name == "Sequential" else spread(first) if args else Items()
    if name == "Sequential" and isinstance(first, Items):
        values = args
    for value in values:
        _grow(node, value, name)
    for value in values.rest:
        node.grow(value, maybe=True)


def _grow(node: Node, value: Any, name: str) -> None:
    if isinstance(value, Tensor):
        node.leaves[str(len(node.leaves))] = value.shape
    elif isinstance(value, Either):
        node.children[str(len(node.children))] = [v for v in value.options if isinstance(v, Node)] or [opened()]
    else:
        node.grow(value, maybe=False)


def named(value: Any) -> str:
    """Give the name that a module is registered under; any, when it is not known."""
    return value if isinstance(value, str) else Pattern(".*")


def is_part(value: Any) -> bool:
    """Tell whether a value may be a module or parameter."""
    return any(isinstance(v, (Node, Tensor)) for v in options(value))


# ---------------------------------------------------------------- classes without a constructor of their own
def construct(builder: "Builder", node: Node, args: Items, kwargs: "dict[str, Any]") -> bool:
    """Do what the constructor of a class from outside does, which a class of the tree inherits from."""
    if not isinstance(node.kind, Define):
        return False
    for owner in builder.index.lineage(node.kind):
        for base in builder.index.bases(owner):
            if not isinstance(base, Outside):
                continue
            short = base.name.rpartition(".")[2]
            if short in CONTAINERS:
                contain(node, short, args, kwargs)
                return True
            made = layer(short, args, kwargs) if base.name.startswith("torch.nn") and short != "Module" else None
            if made is not None:
                node.leaves.update(made.leaves)
                node.children.update(made.children)
                node.optional |= made.optional
                node.attrs.update(made.attrs)
                return True
    return False


def fields(builder: "Builder", node: Node, args: Items, kwargs: "dict[str, Any]") -> None:
    """Set the fields of a dataclass or named tuple."""
    from assay.upstream.building import Frame

    if not isinstance(node.kind, Define):
        return
    names = []
    for owner in reversed(builder.index.lineage(node.kind)):
        for statement in getattr(owner.node, "body", []):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                names.append(statement.target.id)
                frame = Frame(owner.file, {})
                default = statement.value
                node.attrs[names[-1]] = builder.evaluate(default, frame) if default is not None else UNKNOWN
    for name, value in [*zip(names, args), *kwargs.items()]:
        if isinstance(name, str):
            node.attrs[name] = value
