"""Files that say one thing to us and another to whoever loads them, and files made to be walked for ever."""

import ast
import io
import pickle
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.errors import WrongInput
from assay.examination import Examination
from assay.formats.pickle_globals import DANGEROUS
from assay.formats.zips import Zip
from looked import looked, refusal

DATA = Path(__file__).parents[2] / "data" / "torch"
SOON = 20.0  # seconds of work
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
    b"X\x03\x00\x00\x00cpuK\x03tQK\x00K\x03\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
)
ONES = struct.pack("<3f", 1, 1, 1)


class Evil:
    def __reduce__(self) -> Any:
        return print, ("this must never run",)


def text(value: str) -> bytes:
    """Write a string as pickles of protocol 2 hold it."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def archive(path: Path, objects: bytes, numbers: bytes = ONES, **more: bytes) -> Path:
    """Write a checkpoint as torch does, with whatever pickle."""
    members = {"data.pkl": objects, "byteorder": b"little", "data/0": numbers, "version": b"3\n", **more}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, data in members.items():
            file.writestr(f"archive/{name}", data)
    return path


def verdicts(path: Path) -> "set[str]":
    return {row.verdict for row in looked(path)[1].code}


# ---------------------------------------------------------------- what another reader would take for something else
def test_a_zip_whose_directory_is_not_where_it_says_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive(tmp_path / "a.pt", b"\x80\x02}(" + text("w") + TENSOR + b"u.").read_bytes())
    assert refusal(tmp_path / "a.pt") == ""
    end = data.rfind(b"PK\x05\x06")
    (start,) = struct.unpack_from("<I", data, end + 16)
    struct.pack_into("<I", data, end + 16, start - 4)  # zipfile makes up for it, torch's reader does not
    with pytest.raises(WrongInput, match="director"):
        Zip(io.BytesIO(data), len(data), "a.pt")


@pytest.mark.parametrize("name", ["DATA.pkl", "Data/0", "ByteOrder", "VERSION"])
def test_names_that_differ_by_case_alone_are_refused(name: str, tmp_path: Path) -> None:
    objects = b"\x80\x02}(" + text("w") + TENSOR + b"u."
    path = archive(tmp_path / "a.pt", objects, **{name: pickle.dumps(Evil(), 2)})
    assert "but for its case" in refusal(path)


def test_pickles_that_nobody_looked_into_need_trust(tmp_path: Path) -> None:
    path = tmp_path / "many.pkl"
    path.write_bytes(pickle.dumps({}, 2) * 70 + pickle.dumps(Evil(), 2))
    assert any("the rest were not looked into" in why for why in looked(path)[1].trust)
    objects = b"\x80\x02}(" + text("w") + TENSOR + b"u."
    more = {f"{i}.pkl": pickle.dumps({}, 2) for i in range(70)}
    assert any("were not looked into" in why for why in looked(archive(tmp_path / "a.pt", objects, **more))[1].trust)


def test_an_array_of_fields_can_hold_objects(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    array = np.array([(1, Evil())], dtype=[("a", "<i4"), ("b", "O")])
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=array)
    assert verdicts(tmp_path / "a.npy") == verdicts(tmp_path / "a.npz") >= {DANGEROUS}
    np.save(tmp_path / "plain.npy", np.zeros(2, dtype=[("a", "<i4"), ("b", "<f8", (2,))]))
    assert (verdicts(tmp_path / "plain.npy"), looked(tmp_path / "plain.npy")[1].trust) == (set(), [])


def test_objects_in_the_middle_of_a_joblib_file_are_seen(tmp_path: Path) -> None:
    np, joblib = pytest.importorskip("numpy"), pytest.importorskip("joblib")
    path = tmp_path / "a.joblib"
    joblib.dump({"x": np.array([1, Evil()], dtype=object), "y": np.ones(3)}, path)
    assert DANGEROUS in verdicts(path)


def test_big_endian_numbers_are_looked_at_as_they_are(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    np.save(tmp_path / "a.npy", np.array([1, np.nan, 3, np.inf], dtype=">f4"))
    path = archive(
        tmp_path / "a.pt", b"\x80\x02}(" + text("w") + TENSOR + b"u.", struct.pack(">3f", 1, float("nan"), 3),
        byteorder=b"big",
    )  # fmt: skip
    for file, bad in ((tmp_path / "a.npy", 2), (path, 1)):
        found = Examination(file).record(Digests(), {})
        assert found.values is not None
        assert (list(found.values.nonfinite.values()), [t.big for t in found.tensors]) == ([bad], [True])


# ---------------------------------------------------------------- what must not be taken for something else
def test_an_upsampler_is_no_optimizer(tmp_path: Path) -> None:
    inner = b"}(" + text("weight") + get(1) + text("gradient_bias") + get(1) + b"u"
    objects = b"\x80\x02}(" + text("first") + TENSOR + put(1)
    objects += b"".join(text(name) + inner for name in ("upsampler", "amplifier", "scaler", "optimizer")) + b"u."
    _, content = looked(archive(tmp_path / "a.pt", objects))
    names = {t.name for t in content.tensors} | {f"{t.part}.{t.name}" for t in content.tensors}
    assert {"upsampler.weight", "amplifier.gradient_bias", "scaler.weight"} <= names
    assert not any("optimizer" in name for name in names) and list(content.leftovers) == ["first", "optimizer"]


def test_infinity_and_nan_are_told_apart(tmp_path: Path) -> None:
    objects = b"\x80\x02}(" + text("mask") + TENSOR + b"u."
    for numbers, infinite in (((1, float("-inf"), 1), {"mask": 1}), ((1, float("nan"), 1), {})):
        found = Examination(archive(tmp_path / "a.pt", objects, struct.pack("<3f", *numbers))).record(Digests(), {})
        assert found.values is not None
        assert (found.values.nonfinite, found.values.infinite) == ({"mask": 1}, infinite)


# ---------------------------------------------------------------- what is made to be walked for ever
def modules(depth: int, wide: int) -> bytes:
    """Nest modules that each hold the one before many times."""
    made = b"\x80\x04"
    for level in range(depth):
        children = b"".join(text(str(i)) + get(level - 1) for i in range(wide)) if level else b""
        made += (
            b"ctorch.nn.modules.container\nSequential\n)\x81}(" + text("_parameters") + b"}" + text("_buffers") + b"}"
        )
        made += text("_modules") + b"}(" + children + b"uub" + put(level) + (b"0" if level < depth - 1 else b"")
    return made + b"."


def program(depth: int, wide: int) -> bytes:
    """Nest objects of a program in the same way."""
    made = b"\x80\x02"
    for level in range(depth):
        inner = b"".join(text(f"a{i}") + get(level - 1) for i in range(wide)) if level else text("n") + b"K\x01"
        made += b"c__torch__\nNet\n)\x81}(" + inner + b"ub" + put(level) + (b"0" if level < depth - 1 else b"")
    return made + b"."


def named(count: int, length: int) -> bytes:
    """Put many tensors under one long name."""
    made = b"\x80\x02}(" + text("first") + TENSOR + put(1)
    made += b"".join(text(f"a{i}") + get(1) for i in range(count)) + text("x" * length) + b"}("
    return made + b"".join(text(f"b{i}") + get(1) for i in range(count)) + b"uu."


def test_modules_that_share_modules_end_soon(tmp_path: Path) -> None:
    path = tmp_path / "shared.pkl"
    path.write_bytes(modules(30, 10))
    ends_soon(path)


def test_objects_of_a_program_that_share_objects_end_soon(tmp_path: Path) -> None:
    path = tmp_path / "shared.pt"
    with zipfile.ZipFile(DATA / "script.pt") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            inside = program(30, 10) if info.filename.endswith("/data.pkl") else old.read(info)
            new.writestr(info.filename, inside)
    ends_soon(path)


def test_long_names_of_many_tensors_are_refused(tmp_path: Path) -> None:
    ends_soon(archive(tmp_path / "names.pt", named(20_000, 60_000)))


def ends_soon(path: Path) -> None:
    began = time.process_time()
    assert "nested deeper, or share more" in refusal(path)
    assert time.process_time() - began < SOON


def test_many_small_tensors_are_looked_at_soon(tmp_path: Path) -> None:
    import json

    count = 20_000
    header = {f"t{i}": {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i in range(count)}
    head = json.dumps(header).encode()
    path = tmp_path / "many.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + struct.pack("<f", 1) * count)
    began = time.process_time()
    found = Examination(path).record(Digests(), {})
    assert found.values is not None and found.values.checked == count
    assert time.process_time() - began < SOON


@pytest.mark.parametrize("shape", [[10**18] * 300, [1] * 65, [-1], [1 << 63]])
def test_shapes_that_no_tensor_can_have_are_refused(shape: "list[int]", tmp_path: Path) -> None:
    head = f'{{"t":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}'.encode()
    path = tmp_path / "shape.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    assert "shape" in refusal(path)


def test_types_nested_too_deep_are_told(tmp_path: Path) -> None:
    from assay.formats.torchscript_code import _type

    deep: ast.expr = ast.Name("int")
    for _ in range(5000):
        deep = ast.Subscript(ast.Name("List"), deep)
    assert _type(deep) == "a type nested too deep to tell"
