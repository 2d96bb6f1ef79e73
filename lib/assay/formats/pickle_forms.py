"""How honest writers call what is harmless: the same name called in another way can be made to do harm.

Numpy and torch take addresses from keywords, `_reconstructor` calls what it is given, `numpy.matrix` asks its argument
for memory. So a call of a name that needs no trust must have the form that its own library writes.
"""

import re
from collections.abc import Callable
from typing import Any

from assay.formats.pickle_globals import among
from assay.formats.pickle_values import Blob, Call, Global, Pairs

ASKED_FOR = ("append", "extend", "add", "items", "keys", "as_subclass")  # by unpicklers, and by what they call
# Names that may stand as a value in an object.
VALUES = (
    (r"torch", r"(?:q?u?int|b?float|complex)\d\w*|bool|strided|per_\w+|sparse_\w+|\w+_format|channels_last\w*"),
    (r"builtins|__builtin__", r"int|float|bool|str|bytes|list|dict|tuple|set"),
    (r"numpy", r"(?:u?int|float|complex)\d+|bool_?"),
    (r"typing", r"\w+"),
)
TAKE: "dict[str, tuple[str, ...]]" = {
    "by place": ("list", "set", "deque", "_reconstructor"),
    "by key": ("dict", "OrderedDict", "defaultdict", "Counter", "_reconstructor"),
}
TOLD_APART = ("argparse", "types", "numpy", "torch", "builtins", "__builtin__", "collections", "copyreg", "copy_reg")
LITERALS = (type(None), bool, int, float, str, bytes, Blob, tuple, list, Pairs)
Args = tuple[Any, ...]


def honest(func: Global, args: Any, named: bool) -> bool:
    """Tell whether a call has the form that the library of its name writes."""
    if named or not isinstance(args, tuple):
        return False
    for module, name, form in FORMS:
        if among(((module, name),), func.module, func.name):
            return form(args)
    return _literals(args)


def honest_state(state: Any) -> bool:
    """Tell whether what is put into a harmless object is data: nothing that Python asks for or could call."""
    parts = state if isinstance(state, tuple) else (state,)
    return all(_data(key, value) for part in parts if isinstance(part, Pairs) for key, value in part)


def takes(func: Global, how: str) -> bool:
    """Tell whether what a harmless name makes is there to take items, by place or by key."""
    return func.module not in TOLD_APART or func.name in TAKE[how]


def _data(key: Any, value: Any) -> bool:
    if not isinstance(key, str) or key.startswith("__") or key in ASKED_FOR:
        return False
    return not isinstance(value, Global) or among(VALUES, value.module, value.name)


# ---------------------------------------------------------------- forms
def _never(args: Args) -> bool:
    return False


def _any(args: Args) -> bool:
    return True


def _literals(args: Args) -> bool:
    """Take plain values, and nothing that could be asked for more."""
    return all(isinstance(arg, LITERALS) and not isinstance(arg, Global) for arg in args)


def _of(*modules: str) -> Callable[[Args], bool]:
    """Take plain values, names of some modules, and what they made."""

    def form(args: Args) -> bool:
        for arg in args:
            found = arg.func if isinstance(arg, Call) else arg
            if isinstance(found, Global):
                if not re.fullmatch("|".join(modules), found.module):
                    return False
            elif isinstance(arg, Call) or not _flat(arg):
                return False
        return True

    return form


def _flat(arg: Any) -> bool:
    """Tell a value that holds no objects: numpy asks what lies in a list for memory of its own."""
    if isinstance(arg, list):
        return not arg
    return not isinstance(arg, tuple) or all(isinstance(n, (int, str, bytes, type(None))) for n in arg)


def _retyped(args: Args) -> bool:
    """Take one of torch's own makers, a class, and plain values."""
    makes = len(args) == 4 and isinstance(args[0], Global) and args[0].module == "torch._utils"
    return makes and isinstance(args[1], Global) and isinstance(args[2], tuple) and honest_state(args[3])


def _reconstructed(args: Args) -> bool:
    """Take a class, a plain base, and a plain value."""
    classes = len(args) == 3 and isinstance(args[0], Global) and isinstance(args[1], Global)
    return classes and args[1].module in ("builtins", "__builtin__") and _literals(args[2:])


def _stateful(args: Args) -> bool:
    """Take a parameter, and attributes that are data."""
    return len(args) == 4 and honest_state(args[3])


def _scalar(args: Args) -> bool:
    """Take a type that holds no objects, and its bytes."""
    return len(args) == 2 and not getattr(args[0], "objects", True) and isinstance(args[1], bytes)


_NUMPY = r"numpy(?:\.\w+)*"
# module, name, form: the first that covers it
FORMS = (
    (r"torch\._tensor", r"_rebuild_from_type_v2", _retyped),
    (r"torch(?:\.cuda|\.storage|\._tensor)?", r"\w*(?:Tensor|Storage)|dtype|[a-z_]+\d\w*|bool|strided", _never),
    (r"torch\._utils", r"_rebuild_parameter_with_state", _stateful),
    (r"torch\._utils|torch\.nn\.parameter|torch\.storage", r".*", _any),  # read by a maker of our own
    (r"copyreg|copy_reg", r".*", _reconstructed),
    (_NUMPY, r"scalar", _scalar),
    (_NUMPY, r"_reconstruct|_mareconstruct|_frombuffer", _of(_NUMPY)),
    (_NUMPY, r"__\w+", _of(r"numpy\.random\.\w+")),
    (r"numpy", r"dtype", _of("numpy")),
    (r"numpy\.dtypes", r"\w+", _literals),
    (_NUMPY, r"MaskedConstant", _literals),
    (_NUMPY, r".*", _never),
    (r"collections", r"defaultdict", _of("builtins|__builtin__|collections")),
    (r"datetime", r".*", _of("datetime")),
    (r"array", r"_array_reconstructor", _of("array")),
    (r"typing", r".*", _never),
)
