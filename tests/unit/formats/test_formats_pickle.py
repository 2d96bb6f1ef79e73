"""Pickles read without running them: what they hold, what they name, what they try."""

import pickle
import pickletools
import struct
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from assay.formats import pickle_opcodes
from assay.formats.pickle_globals import DANGEROUS, HARMLESS, TENSORS, UNKNOWN, judge
from assay.formats.pickle_machine import Machine, Window
from assay.formats.pickle_values import Blob, Call, Global, Malformed, Pairs
from looked import looked, refusal

DATA = Path(__file__).parents[2] / "data" / "pickle"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
LEAVES = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text() | some.binary()
VALUES = some.recursive(
    LEAVES,
    lambda inner: some.lists(inner) | some.tuples(inner, inner) | some.dictionaries(some.text(), inner),
    max_leaves=30,
)


def as_python(value: Any) -> Any:
    """Turn what the machine gives into what pickle gives."""
    if isinstance(value, Pairs):
        return {as_python(k): as_python(v) for k, v in value}
    if isinstance(value, Call) and value.func == Global("_codecs", "encode"):  # bytes in old protocols
        return value.args[0].encode("latin-1")
    if isinstance(value, Call) and value.func == Global("__builtin__", "bytes"):
        return b""
    return type(value)(as_python(v) for v in value) if type(value) in (list, tuple) else value


def read(data: bytes) -> tuple[Any, Machine]:
    machine = Machine(Window(data))
    return machine.read(), machine


@settings(max_examples=300, deadline=None)
@given(VALUES, some.sampled_from(PROTOCOLS))
def test_plain_values_come_out_as_pickle_gives_them(value: Any, protocol: int) -> None:
    assert as_python(read(pickle.dumps(value, protocol))[0]) == value


def test_every_opcode_is_known_but_the_one_that_needs_buffers_from_outside() -> None:
    theirs = {op.code.encode("latin-1") for op in pickletools.opcodes}
    assert theirs - set(pickle_opcodes.STEPS) == {b".", b"\x97"}
    assert set(pickle_opcodes.STEPS) <= theirs


@settings(max_examples=500, deadline=None)
@given(some.binary(max_size=200))
def test_any_bytes_end_in_a_value_or_in_one_kind_of_error(data: bytes) -> None:
    for start in (b"", b"\x80\x04"):
        try:
            read(start + data)
        except Malformed as fault:
            assert fault.what


@settings(max_examples=300, deadline=None)
@given(VALUES, some.data())
def test_damaged_pickles_end_so_too(value: Any, data: some.DataObject) -> None:
    whole = bytearray(pickle.dumps(value, data.draw(some.sampled_from(PROTOCOLS))))
    for _ in range(data.draw(some.integers(1, 4))):
        whole[data.draw(some.integers(0, len(whole) - 1))] = data.draw(some.integers(0, 255))
    try:
        read(bytes(whole))
    except Malformed as fault:
        assert fault.what


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_numpy_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    arrays = {
        "plain": numpy.arange(6, dtype="float32").reshape(2, 3),
        "columns": numpy.asfortranarray(numpy.arange(6, dtype="int16").reshape(2, 3)),
        "big": numpy.arange(4, dtype=">f8"),
        "scalar": numpy.float64(2.5),
        "long": numpy.ones(40_000, dtype="float64"),
    }
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol))
    _, content = looked(path)
    assert {t.name: (t.dtype, t.shape) for t in content.tensors} == {
        name: (str(a.dtype.newbyteorder("=")), list(a.shape)) for name, a in arrays.items() if name != "scalar"
    }
    assert content.leftovers == {"scalar": 2.5}
    assert content.trust == []
    long = next(t for t in content.tensors if t.name == "long")
    if long.at is not None:
        assert path.read_bytes()[long.at : long.at + 8] == struct.pack("<d", 1.0)
    assert (long.at is not None) == (protocol >= 3)


def test_arrays_that_joblib_writes_into_the_middle() -> None:
    _, content = looked(DATA / "arrays.joblib")
    assert {t.name: (t.dtype, t.shape) for t in content.tensors} == {
        "coef": ("float32", [2, 3]), "bias": ("float64", [2]),
    }  # fmt: skip
    data = (DATA / "arrays.joblib").read_bytes()
    coef = next(t for t in content.tensors if t.name == "coef")
    assert struct.unpack_from("<6f", data, coef.at or 0) == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert content.leftovers == {"name": "tiny"}


def test_objects_are_calls_with_what_was_put_into_them() -> None:
    value, machine = read(pickle.dumps({"o": OrderedDict(a=1), "d": defaultdict(list, b=[2])}))
    ordered, default = value.get("o"), value.get("d")
    assert (ordered.func, ordered.items) == (Global("collections", "OrderedDict"), [("a", 1)])
    assert (default.args, default.items) == ((Global("builtins", "list"),), [("b", [2])])
    assert Global("collections", "defaultdict") in machine.globals


def test_long_bytes_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"b": b"x" * 100_000, "t": "y" * 100_000}, 4))
    with open(path, "rb") as file:
        value = Machine(Window(file, 0, path.stat().st_size)).read()
    blob = value.get("b")
    assert isinstance(blob, Blob) and path.read_bytes()[blob.at or 0 :][:3] == b"xxx"
    assert value.get("t") == Blob(value.get("t").at, 100_000, True)


# ---------------------------------------------------------------- what is named
@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("torch._utils:_rebuild_tensor_v2", TENSORS),
        ("torch:FloatStorage", TENSORS),
        ("torch:float8_e4m3fn", TENSORS),
        ("torch.storage:UntypedStorage", TENSORS),
        ("numpy._core.multiarray:_reconstruct", TENSORS),
        ("numpy.dtypes:Float64DType", TENSORS),
        ("collections:OrderedDict", TENSORS),
        ("argparse:Namespace", HARMLESS),
        ("pathlib:PosixPath", HARMLESS),
        ("builtins:set", HARMLESS),
        ("torch.nn.modules.conv:Conv2d", UNKNOWN),
        ("vdsr:Net", UNKNOWN),
        ("transformers.training_args:TrainingArguments", UNKNOWN),
        ("functools:partial", UNKNOWN),
        ("builtins:eval", DANGEROUS),
        ("builtins:getattr", DANGEROUS),
        ("os:system", DANGEROUS),
        ("posix:system", DANGEROUS),
        ("collections:OrderedDict.__reduce__", DANGEROUS),
        ("pathlib:os.system", DANGEROUS),
        ("torch.serialization:os.system", DANGEROUS),
        ("torch.storage:_load_from_bytes", DANGEROUS),
        ("torch:load", DANGEROUS),
        ("torch.hub:load", DANGEROUS),
        ("torch.nn.modules.module:os.system", DANGEROUS),
        ("numpy:load", DANGEROUS),
        ("numpy.testing._private.utils:runstring", DANGEROUS),
        ("logging:FileHandler", DANGEROUS),
        ("uuid:_get_command_stdout", DANGEROUS),
        ("operator:methodcaller", DANGEROUS),
        ("string:Template", UNKNOWN),
        ("mailcap:findmatch", DANGEROUS),
        ("__main__:Config", UNKNOWN),
        ("(computed):(computed)", DANGEROUS),
    ],
)
def test_verdicts(name: str, verdict: str) -> None:
    assert judge(Global(*name.split(":")))[0] == verdict


class Evil:
    def __reduce__(self) -> Any:
        return print, ("never",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_called(protocol: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"w": [Evil()]}, protocol))
    _, content = looked(path)
    assert [row.verdict for row in content.code] == [DANGEROUS]
    assert content.trust == [f"it names code that can do harm: {content.code[0].name}"]
    assert capsys.readouterr().out == ""


TRICKS = {
    "computed name": (b"\x80\x04\x8c\x03str\x8c\x01x\x86\x8c\x06system\x93.", "its name is computed"),
    "changes a class": (b"\x80\x02cnumpy\nprod\nN}X\x01\x00\x00\x00aK\x01s\x86b.", "it changes numpy.prod itself"),
    "calls a result": (b"\x80\x02cm\nf\n)R)R.", "it calls what it has computed"),
}


@pytest.mark.parametrize("kind", TRICKS)
def test_tricks_are_told(kind: str, tmp_path: Path) -> None:
    data, said = TRICKS[kind]
    path = tmp_path / "trick.pkl"
    path.write_bytes(data)
    _, content = looked(path)
    assert any(said in row.why and row.verdict == DANGEROUS for row in content.code)


def test_what_ran_before_the_damage_is_shown_with_it(tmp_path: Path) -> None:
    path = tmp_path / "half.pkl"
    path.write_bytes(pickle.dumps(Evil(), 2)[:-1] + b"\xff")
    _, content = looked(path)
    assert [row.verdict for row in content.code] == [DANGEROUS]
    assert content.damaged == ["no whole pickle: no pickle opcode: 0xff (byte 41)"]
    assert "no pickle opcode" in refusal(path)


def test_every_pickle_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.pkl"
    path.write_bytes(pickle.dumps({}) + pickle.dumps(Evil()))
    _, content = looked(path)
    assert content.code[0].verdict == DANGEROUS
    assert content.risks == ["2 pickles follow one another: a loader may read only the first"]


BOMBS = {
    "marks": b"\x80\x02" + b"(" * 2_000_000 + b".",
    "memo": b"\x80\x04Nr\xfe\xff\xff\xff.",
    "digits": b"\x80\x02L" + b"9" * 20_000 + b"L\n.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "bytes": b"\x80\x04N\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "deep": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "code by number": b"\x80\x02\x82\x01.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[kind])
    assert refusal(path)


def test_what_holds_itself_many_times_is_walked_once(tmp_path: Path) -> None:
    laughs: Any = []
    for _ in range(60):
        laughs = [laughs] * 10
    loop: list[Any] = []
    loop.append(loop)
    path = tmp_path / "laughs.pkl"
    path.write_bytes(pickle.dumps({"laughs": laughs, "loop": loop}, 4))
    _, content = looked(path)
    assert set(content.leftovers) == {"laughs", "loop"}


# What bench/fuzz.py found.
FOUND = {"an object that is its own key": b"\x80\x00\x89\x8f]\x8f2\x88R22s\x87."}


@pytest.mark.parametrize("kind", FOUND)
def test_what_fuzzing_found_ends_in_an_answer(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "found.pkl"
    path.write_bytes(FOUND[kind])
    _, content = looked(path)
    assert content.leftovers
