"""Tensors and arrays as pickles describe them: shapes, types, and which stored numbers they lie on."""

import contextlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from assay.formats.numpy_type import NumpyType
from assay.formats.pickle_globals import INSIDE, JOBLIB
from assay.formats.pickle_machine import Budget, Machine, Sense, Window, strange
from assay.formats.pickle_values import Blob, Call, Global, Located, Pairs, Persistent

STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "ComplexHalf": "complex32", "QInt8": "qint8", "QUInt8": "quint8",
    "QInt32": "qint32", "QUInt4x2": "quint4x2", "QUInt2x4": "quint2x4", "Untyped": "uint8",
}  # fmt: skip
SHORT = {"float": "float32", "double": "float64", "half": "float16", "cfloat": "complex64", "cdouble": "complex128"}
SHORT |= {"long": "int64", "int": "int32", "short": "int16"}
BITS = re.compile(r"(?:b?float|u?int|complex|qu?int)(\d+)")
DEEPEST = 4  # pickles inside pickles
MOST = 1 << 62
QUANTISED = "quantised"


@dataclass(eq=False)
class Storage:
    """Numbers that tensors lie on."""

    key: str
    dtype: str
    numbers: int
    device: str = "cpu"
    at: int | None = None  # where they begin in the file
    bytes: int = 0  # how many are there
    view_of: tuple[str, int] = ("", 0)  # a stretch of another one, from so many numbers on
    little: bool = True


@dataclass(eq=False)
class TensorRef:
    """A tensor: a way of looking at stored numbers."""

    storage: Storage | None
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] = ()
    offset: int = 0  # in numbers
    note: str = ""  # how it is quantised, that it is sparse or has no numbers
    parts: list["TensorRef"] = field(default_factory=list)  # of a sparse tensor: what it is made of


class Later:
    """A value that is made first and filled afterwards, while others may hold it already."""

    def __init__(self) -> None:
        self.value: Any = None

    def fill(self, state: Any) -> None:
        """Take what it is filled with."""
        self.value = state


class OldParameter(Later):
    """A parameter of torch before 0.4, whose tensor is the first part of its state."""

    def fill(self, state: Any) -> None:
        """Take the tensor."""
        self.value = state[0] if isinstance(state, tuple) and state else None


def settled(value: Any) -> Any:
    """Give what a value has become."""
    return value.value if isinstance(value, Later) else value


def width(dtype: str) -> int:
    """Count the bytes of one number; 0 when it is not known."""
    if dtype == "bool" or dtype.startswith("float8"):
        return 1
    if dtype.startswith(("quint4x2", "quint2x4")):
        return 0
    found = BITS.match(dtype)
    return int(found[1]) // 8 if found and int(found[1]) % 8 == 0 else 0


def dtype_of(found: Any) -> str:
    """Name a data type that a pickle names as torch.float16; "" when it is none."""
    if isinstance(found, Global) and found.module == "torch":
        name = SHORT.get(found.name, found.name)
        return name.replace("_", "") if name.startswith("float8") else name
    return ""


class TorchSense(Sense):
    """Turns what a pickle calls into tensors and arrays; storages are looked up by `locate`."""

    def __init__(
        self,
        file: "BinaryIO | None" = None,
        locate: "Callable[[Storage], None] | None" = None,
        depth: int = 0,
        joblib: bool = True,
        budget: "Budget | None" = None,
    ) -> None:
        super().__init__(budget)
        self.file, self.locate, self.depth, self.joblib = file, locate, depth, joblib
        self.storages: dict[str, Storage] = {}
        self.inside: list[Machine] = []  # pickles inside this one that were read
        self.unread = 0  # pickles inside this one that could not be read
        self.read = 0  # and those that could
        self.opened: dict[int, Any] = {}  # of these, what those that were read hold, by their place

    def persistent(self, key: Any) -> Any:
        """Give the storage, or the class, that a persistent key stands for."""
        if not isinstance(key, tuple) or not key:
            return Persistent(key)
        if key[0] == "module" and len(key) >= 2:  # old torch keeps the source of a class beside it
            return key[1]
        if key[0] != "storage" or len(key) < 5 or not isinstance(key[1], Global):
            return Persistent(key)
        kind = key[1].name.removesuffix("Storage")
        dtype, numbers = STORAGES.get(kind, ""), key[4]
        if not dtype or not isinstance(numbers, int) or not 0 <= numbers < MOST:
            return Persistent(key)
        view = key[5] if len(key) > 5 and isinstance(key[5], tuple) else None
        name = str(view[0] if view else key[2])
        found = self.storages.get(name)
        if found is None or found.dtype != dtype:
            found = Storage(name, dtype, numbers, str(key[3])[:40])
            if view:
                found.view_of, found.numbers = (str(key[2]), int(view[1])), int(view[2])
                self.persistent(key[:5])
            self.storages[name] = found
            if self.locate:
                self.locate(found)
        return found

    def call(self, func: Any, args: Any) -> Any:
        """Give the tensor or array that a call makes; any other call as it is."""
        made = MAKERS.get(func) if isinstance(func, Global) else None
        if made is None and isinstance(func, Global) and func.module in NUMPY_CORES:
            made = MAKERS.get(Global("numpy.core", func.name))
        if made is not None and isinstance(args, tuple):
            try:
                return made(self, args)
            except (IndexError, TypeError, ValueError, AttributeError, KeyError):
                if func != INSIDE:  # one that cannot be read is counted
                    self.odd.append(strange(func))
                return Call(func, args)
        return Call(func, args)

    def build(self, made: Any, state: Any, machine: Machine) -> Any:
        """Fill an array; let a joblib array's numbers lie where they lie; keep any other state."""
        if isinstance(made, TensorRef):  # torch of before 0.4 kept flags and hooks there, as a tuple
            if not isinstance(state, tuple) or any(isinstance(part, Pairs) for part in state):
                machine.odd.append("puts attributes into a tensor")
        elif isinstance(made, Later):
            if made.value is not None:
                machine.odd.append("puts a state into an array twice")
            made.fill(state)
            if isinstance(made, Array) and made.value is None:
                machine.odd.append("puts into an array what is none")
        elif isinstance(made, NumpyType):
            made.take(state)
            if made.odd:
                machine.odd.append("describes numbers that hold objects")
        elif self.joblib and isinstance(made, Call) and made.func == JOBLIB and isinstance(state, Pairs):
            return _joblib_array(self, state, machine) or super().build(made, state, machine)
        return super().build(made, state, machine)


# ---------------------------------------------------------------- torch
def _tensor(sense: TorchSense, args: "tuple[Any, ...]", dtype: str = "", note: str = "") -> TensorRef:
    storage, offset, shape, stride = args[0], args[1], _ints(args[2]), _ints(args[3])
    if not isinstance(storage, Storage) or len(shape) != len(stride):
        raise TypeError
    return TensorRef(storage, dtype or storage.dtype, shape, stride, int(offset), note)


def _tensor_v3(sense: TorchSense, args: "tuple[Any, ...]") -> TensorRef:
    return _tensor(sense, args, dtype=dtype_of(args[6]))


def _quantised(sense: TorchSense, args: "tuple[Any, ...]") -> TensorRef:
    how = args[4] if isinstance(args[4], tuple) else ()
    kind = how[0].name.removeprefix("per_") if how and isinstance(how[0], Global) else "unknown scheme"
    scale = f", scale {how[1]:.6g}, zero point {how[2]}" if len(how) == 3 and isinstance(how[1], float) else ""
    return _tensor(sense, args, note=f"{QUANTISED} {kind.replace('_', ' ')}{scale}")


def _parameter(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    if not args:  # torch of before 0.4: the tensor comes with the state
        return OldParameter()
    if not isinstance(args[0], TensorRef):
        raise TypeError
    return args[0]


def _sparse(sense: TorchSense, args: "tuple[Any, ...]") -> TensorRef:
    parts = [part for part in args[1] if isinstance(part, TensorRef)]
    shape = next(_ints(part) for part in args[1] if isinstance(part, (tuple, Call)))
    return TensorRef(None, parts[-1].dtype, shape, note="sparse", parts=parts)


def _meta(sense: TorchSense, args: "tuple[Any, ...]") -> TensorRef:
    return TensorRef(None, dtype_of(args[0]), _ints(args[1]), _ints(args[2]), note="no numbers are kept (meta)")


def _from_numpy(sense: TorchSense, args: "tuple[Any, ...]") -> TensorRef:
    return args[0] if isinstance(args[0], TensorRef) else _raise()


def _from_type(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    return sense.call(args[0], args[2]) if args[0] in MAKERS else _raise()


def _inside(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    """Read the pickle inside: a whole torch file of the old kind, kept as bytes."""
    from assay.formats.torch_legacy import read_inside

    place = getattr(args[0], "at", None)
    if place in sense.opened:
        found = sense.opened[place]
    else:
        found = read_inside(sense, args[0]) if sense.depth < DEEPEST else None
        if place is not None:
            sense.opened[place] = found
    if found is None:
        sense.unread += 1
        raise ValueError
    sense.read += 1
    return found


def _size(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    return _ints(args[0])


def _ordered(sense: TorchSense, args: "tuple[Any, ...]") -> Call:
    """Make a dict as Python 2 wrote it: with all its pairs as an argument."""
    made = Call(ORDERED, args)
    for pair in args[0] if args and isinstance(args[0], list) else ():
        key, value = pair
        made.items.append((key, value))
    return made


def _raise() -> Any:
    raise TypeError


def _ints(value: Any) -> "tuple[int, ...]":
    found = tuple(value.args[0]) if isinstance(value, Call) else tuple(value)
    if not all(type(n) is int for n in found) or len(found) > 64:
        raise TypeError
    return found


# ---------------------------------------------------------------- numpy
class Array(Later):
    """A numpy array whose numbers are still to come."""

    def fill(self, state: Any) -> None:
        """Take shape, type and numbers."""
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], NumpyType):
            return
        _, shape, kind, fortran, data = state
        if kind.name == "object":
            self.value = data
            return
        with contextlib.suppress(TypeError):
            self.value = _array(_ints(shape), kind, bool(fortran), data)


def _array(shape: "tuple[int, ...]", kind: NumpyType, fortran: bool, data: Any) -> TensorRef:
    at = data.at if isinstance(data, (Blob, Located)) else None
    size = data.length if isinstance(data, Blob) else len(data) if isinstance(data, (bytes, str)) else 0
    if isinstance(data, Blob) and data.text:  # Latin-1 inside UTF-8: as long as the numbers only once it is decoded
        at, size = None, math.prod(shape) * width(kind.name)
    return _stored(shape, kind, fortran, at, size)


def _stored(shape: "tuple[int, ...]", kind: NumpyType, fortran: bool, at: "int | None", size: int) -> TensorRef:
    storage = Storage("", kind.name, math.prod(shape), "cpu", at, size, little=kind.little)
    return TensorRef(storage, kind.name, shape, strides(shape, fortran))


def strides(shape: "tuple[int, ...]", fortran: bool = False) -> "tuple[int, ...]":
    """Give the strides of numbers that lie row by row, or column by column."""
    found, step = [], 1
    for size in shape if fortran else reversed(shape):
        found.append(step)
        step *= max(size, 1)
    return tuple(found if fortran else reversed(found))


def _reconstruct(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    return Array()


def _dtype(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    code = args[0].decode("latin-1") if isinstance(args[0], bytes) else args[0]
    if isinstance(code, Global) and code.name == "record":
        code = "V"
    return NumpyType(code) if isinstance(code, str) and not isinstance(code, Global) else _raise()


def _frombuffer(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    data, kind, shape, order = args
    if not isinstance(data, (bytes, Blob)):
        raise TypeError
    return _array(_ints(shape), kind, order == "F", data)


def _encode(sense: TorchSense, args: "tuple[Any, ...]") -> Any:
    """Give the bytes that Python 2 style pickles keep as Latin-1 text."""
    text, coding = args
    if isinstance(text, Blob):  # good for numbers, whose length is known: as bytes it is another
        return text
    return text.encode("latin-1") if coding == "latin1" else _raise()


def _joblib_array(sense: TorchSense, state: Pairs, machine: Machine) -> Any:
    """Find the numbers that joblib writes into the middle of a pickle, right behind what describes them."""
    kind, window = state.get("dtype"), machine.window
    if not isinstance(kind, NumpyType):
        return None
    try:
        shape = _ints(state.get("shape"))
    except TypeError:
        return None
    if kind.objects:
        return _joblib_objects(sense, window)
    if state.get("numpy_array_alignment_bytes"):
        window.skip(window.take(1)[0])
    size = math.prod(shape) * kind.width
    at = None if window.in_memory else window.at
    window.skip(size)
    if not width(kind.name):
        return None
    return _stored(shape, kind, state.get("order") == "F", at, size)


def _joblib_objects(sense: TorchSense, window: Window) -> Any:
    """Read the pickle that an array of objects is."""
    machine = Machine(window, TorchSense(sense.file, depth=sense.depth + 1, joblib=False, budget=sense.budget))
    sense.inside.append(machine)
    return machine.read()


NUMPY_CORES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
ORDERED = Global("collections", "OrderedDict")
_UTILS = "torch._utils"
MAKERS: "dict[Global, Callable[[TorchSense, tuple[Any, ...]], Any]]" = {
    Global(_UTILS, "_rebuild_tensor"): _tensor,
    Global(_UTILS, "_rebuild_tensor_v2"): _tensor,
    Global(_UTILS, "_rebuild_tensor_v3"): _tensor_v3,
    Global(_UTILS, "_rebuild_qtensor"): _quantised,
    Global(_UTILS, "_rebuild_parameter"): _parameter,
    Global(_UTILS, "_rebuild_parameter_with_state"): _parameter,
    Global(_UTILS, "_rebuild_sparse_tensor"): _sparse,
    Global(_UTILS, "_rebuild_meta_tensor_no_storage"): _meta,
    Global(_UTILS, "_rebuild_device_tensor_from_numpy"): _from_numpy,
    Global(_UTILS, "_rebuild_device_tensor_from_cpu_tensor"): _parameter,
    Global("torch.nn.parameter", "Parameter"): _parameter,
    Global("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    Global("torch", "Size"): _size,
    ORDERED: _ordered,
    INSIDE: _inside,
    Global("numpy.core", "_reconstruct"): _reconstruct,
    Global("numpy.core", "_frombuffer"): _frombuffer,
    Global("numpy", "dtype"): _dtype,
    Global("_codecs", "encode"): _encode,
}
