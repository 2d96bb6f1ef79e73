"""Made-up tensors: from which sizes to start, and what to put into them."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple

from assay_worker import tensors

LADDER = (64, 32, 224, 1, 256, 512, 576, 640, 320, 128, 2048, 1024, 16, 8, 4, 2, 3)
FRAMES = (576, 512, 256, 1024, 768, 1536)  # of audio; with what some want of the frame before, first
SIDES = (64, 224, 32, 256, 128, 640)
RATES = (16000, 8000, 32000)
SEED = 20240101
Dims = Dict[str, int]
Spec = List[Dict[str, Any]]
Tensors = Dict[str, Any]
# Sizes per axis of a tensor whose rank nobody tells; -1 is climbed.
RANKS = ((1, -1), (1, 3, -1, -1), (1, 1, -1, -1), (-1,), (1, 1, -1), (1, 80, -1))


class Start(NamedTuple):
    """Where to look for something that runs: specs with a symbol for every free axis, and its size."""

    inputs: Spec
    dims: Dims


class Maker:
    """Tensors for one list of inputs, resized from an example or made up."""

    def __init__(self, inputs: Spec, example: Tensors) -> None:
        self.inputs, self.example, self.scalar = inputs, example, 1

    def make(self, dims: Dims, seed: int = SEED, fill: str = "") -> Tensors:
        """Make tensors of the given dimensions; `fill` says what floats are: zeros, ones, noise, or as they come."""
        import numpy

        random = numpy.random.Generator(numpy.random.PCG64(seed))
        return {spec["name"]: self._one(spec, shape_of(spec, dims), random, seed, fill) for spec in self.inputs}

    def _one(self, spec: dict[str, Any], shape: list[int], random: Any, seed: int, fill: str) -> Any:
        import numpy

        given, dtype = self.example.get(spec["name"]), spec["dtype"]
        if fill and shape and is_float(dtype):
            return _filled(fill, shape, dtype, given, random)
        if given is not None:
            item = resized(given, shape)
            return item if seed == SEED else _other(item, random)
        if not shape and "int" in dtype:
            return numpy.array(self.scalar, dtype=dtype)
        if is_float(dtype):
            return random.random(shape, dtype=numpy.float32).astype(dtype)
        if dtype == "string":
            return numpy.full(shape, "a", dtype=object)
        return random.integers(0, 2, size=shape).astype(dtype)


def is_float(dtype: str) -> bool:
    """Tell whether a name of a type is one of floats."""
    return dtype.startswith(("float", "bfloat"))


def shape_of(spec: dict[str, Any], dims: Dims) -> list[int]:
    """Give an input's shape in numbers."""
    return [dims[d] if isinstance(d, str) else d for d in spec["shape"]]


def resized(value: Any, shape: list[int]) -> Any:
    """Cut or repeat an example along its axes, so that its values stay its own."""
    import numpy

    for axis, size in enumerate(shape):
        if value.shape[axis] != size:
            value = numpy.take(value, range(size), axis=axis, mode="wrap")
    return numpy.array(value, order="C")  # torch shares memory and warns of what is read-only


def _other(item: Any, random: Any) -> Any:
    """Make another item of the same kind: the same values in another order."""
    moved = random.permutation(item.ravel()).reshape(item.shape)
    if item.dtype.kind == "f" and item.size and item.min() == item.max():
        return (moved + random.random(item.shape)).astype(item.dtype)
    return moved


def _filled(fill: str, shape: list[int], dtype: str, given: Any, random: Any) -> Any:
    import numpy

    if fill == "noise":
        known = given is not None and given.size > 0 and bool(numpy.isfinite(given).all())
        mean, spread = (float(given.mean()), float(given.std()) or 1.0) if known else (0.0, 1.0)
        return (mean + spread * random.standard_normal(shape)).astype(dtype)
    return numpy.full(shape, {"zeros": 0.0, "ones": 1.0, "nan": numpy.nan}[fill], dtype=dtype)


# ---------------------------------------------------------------- inputs
def by_example(declared: Spec, example: Tensors) -> Start | None:
    """Give every free axis of the declared inputs the example's size; None when they do not fit together."""
    if not declared:
        declared = [{"name": n, "dtype": _kind(v), "shape": None} for n, v in example.items()]
    if any(i["name"] not in example for i in declared):
        return None
    inputs, dims = [], {}
    for i in declared:
        value = example[i["name"]]
        shape = named(i["name"], [None] * value.ndim if i.get("shape") is None else i["shape"])
        if len(shape) != value.ndim:
            return None
        inputs.append(dict(i, shape=shape, dtype=_known(i.get("dtype"), _kind(value))))
        for d, size in zip(shape, value.shape):
            if dims.setdefault(d, int(size)) != size or (isinstance(d, int) and d != size):
                return None
    return Start(inputs, {s: size for s, size in dims.items() if isinstance(s, str)})


def starts(declared: Spec) -> Iterator[Start]:
    """Climb the ladders: sizes of free axes, and ranks where even those are not told."""
    known = [_scalar(i) for i in declared]
    if all(i.get("shape") is not None for i in known):
        inputs = [dict(i, shape=named(i["name"], i["shape"]), dtype=_known(i.get("dtype"), "float32")) for i in known]
        symbols = sorted({d for i in inputs for d in i["shape"] if isinstance(d, str)})
        leading = {i["shape"][0] for i in inputs if i["shape"] and isinstance(i["shape"][0], str)}
        ladder = (*FRAMES, *LADDER) if len(scalars(inputs)) > 1 and scalars(inputs)[0] != 1 else LADDER
        yield from (Start(inputs, dims) for dims in _candidates(symbols, leading, ladder))
        return
    for rank in RANKS:
        sure = any(_known(i.get("dtype"), "") for i in known if i.get("shape") is None)
        for dtype in ("float32",) if sure or len(rank) > 2 else ("float32", "int64"):
            inputs = [_guessed(i, rank, dtype) for i in known]
            for size in SIDES if rank.count(-1) > 1 else LADDER:
                yield Start(inputs, _sizes(inputs, rank, size))


def scalars(inputs: Spec) -> tuple[int, ...]:
    """List what a whole number without a shape could be: sample rates first where its name says so."""
    names = [i["name"].lower() for i in inputs if not _scalar(i).get("shape", [0]) and "int" in i["dtype"]]
    if not names:
        return (1,)
    rate = any(n in ("sr", "fs") or "rate" in n for n in names)
    return (*RATES[:2], 1, *RATES[2:]) if rate else (1, *RATES)


def named(name: str, shape: list[Any]) -> list[Any]:
    """Give every dimension that has no name one of its own."""
    return [f"{name}/{axis}" if d is None else d for axis, d in enumerate(shape)]


def _scalar(spec: dict[str, Any]) -> dict[str, Any]:
    return dict(spec, shape=[]) if spec.get("dtype") in tensors.SCALARS and spec.get("shape") is None else spec


def _known(dtype: Any, otherwise: str) -> str:
    return otherwise if dtype in ("", None, "unknown") else str(dtype)


def _kind(value: Any) -> str:
    """Name a type; what has no shape was a plain number in the call."""
    plain = {"i": "int", "u": "int", "f": "float", "b": "bool"}
    return plain.get(value.dtype.kind, str(value.dtype)) if value.ndim == 0 else str(value.dtype)


def _guessed(spec: dict[str, Any], rank: tuple[int, ...], dtype: str) -> dict[str, Any]:
    if spec.get("shape") is None:
        spec = dict(spec, shape=[None] * len(rank))
    return dict(spec, shape=named(spec["name"], spec["shape"]), dtype=_known(spec.get("dtype"), dtype))


def _sizes(inputs: Spec, rank: tuple[int, ...], size: int) -> Dims:
    """Give a guessed rank its sizes; other free axes are 1."""
    dims: Dims = {}
    for spec in inputs:
        for axis, d in enumerate(spec["shape"]):
            if isinstance(d, str):
                fits = len(spec["shape"]) == len(rank)
                dims[d] = (size if rank[axis] < 0 else rank[axis]) if fits else 1
    return dims


def _candidates(symbols: list[str], leading: set[str], ladder: tuple[int, ...]) -> list[Dims]:
    """List assignments: batch 1 and all others alike first, then one large at a time."""
    inner = [s for s in symbols if s not in leading]
    tried: list[Dims] = []
    for size in ladder if inner else (1, 2, 4, 8, 16, 32, 64):
        tried.append({s: 1 if s in leading and inner else size for s in symbols})
    for one in inner if len(inner) > 1 else ():
        tried += [{s: size if s == one else 1 for s in symbols} for size in ladder]
    return [d for i, d in enumerate(tried) if d not in tried[:i]] or [{}]
