"""Facts about files that real libraries wrote, where a reader was wrong once."""

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.formats import keras_config
from assay.formats.pickle_globals import DANGEROUS, HARMLESS, REACHABLE, TENSORS, UNKNOWN, judge
from assay.formats.pickle_values import Global
from looked import looked, refusal
from test_formats_honesty import ONES, TENSOR, archive, get, put, text, verdicts

DATA = Path(__file__).parents[2] / "data" / "torch"


def found_in(path: Path) -> Any:
    return Examination(path).record(Digests(), {})


# ---------------------------------------------------------------- numbers that were overlooked
def script(path: Path, objects: bytes, constants: bytes) -> Path:
    """Write a TorchScript archive with these objects, and constants that lie on twelve bytes."""
    with zipfile.ZipFile(DATA / "script.pt") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        root = old.namelist()[0].partition("/")[0]
        for info in old.infolist():
            name = info.filename.removeprefix(f"{root}/")
            if not name.startswith(("data/", "constants/")):
                new.writestr(info.filename, {"data.pkl": objects, "constants.pkl": constants}.get(name, old.read(info)))
        for folder in ("data", "constants"):
            new.writestr(f"{root}/{folder}/0", struct.pack("<3f", 1, float("nan"), 3))
    return path


def test_packed_numbers_of_a_quantised_program_are_listed(tmp_path: Path) -> None:
    packed = b"c__torch__.torch.classes.quantized\nLinearPackedParamsBase\n)\x81" + TENSOR + b"N\x86b"
    objects = b"\x80\x02c__torch__\nNet\n)\x81}(" + text("fc") + packed + b"ub."
    record = found_in(script(tmp_path / "a.pt", objects, b"\x80\x02)."))
    assert [(t.name, t.shape) for t in record.tensors] == [("fc.0", [3])]
    assert record.values.nonfinite == {"fc.0": 1}


def test_numbers_of_a_frozen_program_are_listed(tmp_path: Path) -> None:
    nothing = b"\x80\x02c__torch__\nNet\n)\x81}b."
    record = found_in(script(tmp_path / "a.pt", nothing, b"\x80\x02" + TENSOR + b"\x85."))
    assert [(t.name, t.shape) for t in record.tensors] == [("constants.0", [3])]
    assert record.values.nonfinite == {"constants.0": 1}


def test_packed_numbers_of_a_pickled_module_are_listed(tmp_path: Path) -> None:
    packed = b"ctorch\nScriptObject\n)\x81" + TENSOR + b"N\x86b"
    layer = b"ctorch.nn.modules.linear\nLinear\n)\x81}(" + text("_parameters") + b"}" + text("_buffers") + b"}"
    layer += text("_modules") + b"}" + text("_packed_params") + packed + b"ub"
    whole = b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81}(" + text("_parameters") + b"}" + text("_buffers")
    whole += b"}" + text("_modules") + b"}(" + text("0") + layer + b"uub."
    _, content = looked(archive(tmp_path / "a.pt", whole))
    assert [t.name for t in content.tensors] == ["0._packed_params.0"]


def test_weights_in_an_archive_inside_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    program = '{"graph_module": {"graph": {"nodes": [], "tensor_values": {}}, "signature": {"input_specs": [], '
    program += '"output_specs": []}}}'
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("serialized_exported_program.json", program)
        file.writestr("serialized_state_dict.json", (DATA / "state.pt").read_bytes())
    _, content = looked(path)
    assert any("lie in an archive of their own" in risk for risk in content.risks)
    assert content.unchecked == {"in an archive inside": 1}


# ---------------------------------------------------------------- valid files that were refused
def test_arrays_of_fields_are_whole(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    np.save(tmp_path / "a.npy", np.zeros(3, dtype=[("a", "<i4"), ("b", "<f8")]))
    np.savez(tmp_path / "a.npz", x=np.zeros(3, dtype=[("a", "U3")]), y=np.array(["ab", "c"]))
    assert refusal(tmp_path / "a.npy") == refusal(tmp_path / "a.npz") == ""
    _, content = looked(tmp_path / "a.npz")
    assert {t.name: (t.dtype, t.bytes) for t in content.tensors} == {"x": ("V", 0), "y": ("U2", 16)}


def test_an_array_of_python_2(tmp_path: Path) -> None:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + bytes(16))
    assert looked(tmp_path / "a.npy")[1].tensors[0].shape == [2]


def test_old_pickles_with_few_opcodes_in_front_are_read(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    for protocol in (0, 1):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps([np.arange(20_000.0)], protocol))
        assert [t.shape for t in looked(path)[1].tensors] == [[20_000]]
    quoted = tmp_path / "quoted.pkl"  # a str of Python 2, longer than what is kept
    quoted.write_bytes(b"(dp0\nS'a'\np1\nS'" + b"x" * 100_000 + b"'\np2\ns.")
    assert looked(quoted)[1].leftovers == {"a": "100002 bytes"}


def test_a_forest_of_arrays_takes_no_longer_than_its_size(tmp_path: Path) -> None:
    np, joblib = pytest.importorskip("numpy"), pytest.importorskip("joblib")
    joblib.dump([np.ones(3) for _ in range(3000)], tmp_path / "a.joblib")
    _, content = looked(tmp_path / "a.joblib")
    assert len(content.tensors) == 3000
    assert [row.name for row in content.code if row.verdict == UNKNOWN] == ["joblib.numpy_pickle.NumpyArrayWrapper"]


# ---------------------------------------------------------------- what is a weight
def test_what_training_leaves_is_no_weight(tmp_path: Path) -> None:
    inner = b"}(" + text("a") + get(1) + text("b") + get(1) + b"u"
    names = ("hyper_parameters", "extra_state", "train_losses", "val_metrics")
    objects = b"\x80\x02}(" + text("state_dict") + b"}(" + text("w") + TENSOR + put(1) + b"u"
    objects += b"".join(text(name) + inner for name in names) + b"u."
    _, content = looked(archive(tmp_path / "a.pt", objects))
    assert ([t.name for t in content.tensors], sorted(content.leftovers)) == (["w"], sorted(names))


def test_tensors_by_number_are_weights(tmp_path: Path) -> None:
    objects = b"\x80\x02}(K\x00" + TENSOR + put(1) + b"K\x01" + get(1) + b"u."
    assert [t.name for t in looked(archive(tmp_path / "a.pt", objects))[1].tensors] == ["0", "1"]


def test_an_optimizer_of_a_model_inside_a_model_is_no_weight() -> None:
    names = {
        "layers/inner/optimizer/vars/0": "layers/inner/optimizer",
        "layers/optimizer/kernel": "",
        "optimizer/v": "optimizer",
    }
    assert {name: keras_config.optimizer_group(name) for name in names} == names


def test_one_view_of_all_numbers_shares_them(tmp_path: Path) -> None:
    turned = TENSOR.replace(b"K\x03\x85K\x01\x85", b"K\x01K\x03\x86K\x03K\x01\x86")
    objects = b"\x80\x02}(" + text("a") + TENSOR + text("b") + turned + b"u."
    record = found_in(archive(tmp_path / "a.pt", objects))
    assert (record.shared, record.totals["float32"].parameters) == ([["a", "b"]], 3)


def test_what_lies_between_is_not_taken_for_its_own(tmp_path: Path) -> None:
    every_other = TENSOR.replace(b"K\x03\x85K\x01\x85", b"K\x02\x85K\x02\x85")
    objects = b"\x80\x02}(" + text("w") + every_other + b"u."
    record = found_in(archive(tmp_path / "a.pt", objects, struct.pack("<3f", 1, float("nan"), 3)))
    assert record.values.nonfinite == {}
    assert record.values.unchecked == {"scattered among numbers that are not all finite": 1}
    record = found_in(archive(tmp_path / "b.pt", objects, ONES))
    assert (record.values.nonfinite, record.values.unchecked) == ({}, {})


def test_a_complex_number_is_one_number(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    np.save(tmp_path / "a.npy", np.array([complex(float("nan"), float("nan")), 1], dtype=np.complex64))
    values = found_in(tmp_path / "a.npy").values
    assert (values.checked, values.nonfinite) == (2, {"array": 1})


# ---------------------------------------------------------------- verdicts
@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("__builtin__:xrange", HARMLESS), ("builtins:Ellipsis", HARMLESS), ("builtins:ValueError", HARMLESS),
        ("numpy.matrixlib.defmatrix:matrix", HARMLESS), ("numpy.ma:MaskedArray", HARMLESS),
        ("numpy.random.bit_generator:SeedSequence", HARMLESS), ("torch.nn.functional:relu", UNKNOWN),
        ("torch.ao.nn.quantized.modules.conv:Conv2d", UNKNOWN), ("torch:FloatTensor", TENSORS),
        ("torch.nn.parallel.data_parallel:DataParallel", UNKNOWN), ("builtins:len", UNKNOWN), ("math:sqrt", UNKNOWN),
        ("torch.nn.modules.activation:F", UNKNOWN), ("torch.nn.modules.container:ParameterDict", UNKNOWN),
        ("typing:Type", UNKNOWN), ("joblib.numpy_pickle:NumpyArrayWrapper", UNKNOWN),
        ("torch.jit._pickle:restore_type_tag", DANGEROUS), ("copyreg:__newobj__", UNKNOWN),
        ("omegaconf.other:X", UNKNOWN), ("builtins:print", DANGEROUS),
    ],
)  # fmt: skip
def test_more_verdicts(name: str, verdict: str) -> None:
    assert judge(Global(*name.split(":")))[0] == verdict


def test_what_unpicklers_may_reach_is_less_than_what_is_harmless() -> None:
    import re

    names = [("numpy", "dtype"), ("torch._tensor", "_rebuild_from_type_v2"), ("torch.nn.modules.linear", "Linear")]
    names += [("torch.storage", "_load_from_bytes"), ("typing", "Any"), ("pathlib", "PosixPath")]
    assert not [n for n in names if any(re.fullmatch(m, n[0]) and re.fullmatch(p, n[1]) for m, p in REACHABLE)]


# ---------------------------------------------------------------- files that another reader takes for another
def test_bytes_behind_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes((DATA / "state.pth").read_bytes() + b"more")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({}) + b"\x80\x02\x8a\xffmore")
    assert looked(tmp_path / "a.pth")[1].trust == ["4 bytes follow its last number, which were not looked into"]
    assert any("bytes follow its last pickle" in why for why in looked(tmp_path / "a.pkl")[1].trust)


def test_a_tar_is_told_by_its_checksum(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as file:
        file.addfile(tarfile.TarInfo("x"))
    head = bytearray(buffer.getvalue())
    head[257:265] = bytes(8)  # as before there was a sign
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    (tmp_path / "a.pt").write_bytes(head)
    assert "is a tar archive" in refusal(tmp_path / "a.pt")


def test_only_a_whole_old_file_is_read_inside_another(tmp_path: Path) -> None:
    import assay.formats.torch_objects as objects

    whole = (DATA / "state.pth").read_bytes()
    for data, verdict in ((whole, HARMLESS), (whole + b"x", DANGEROUS), (b"PK\x03\x04" + whole, DANGEROUS)):
        made = b"\x80\x04c" + f"{objects.INSIDE.module}\n{objects.INSIDE.name}\n".encode()
        path = tmp_path / "a.pkl"
        path.write_bytes(made + b"\x8e" + struct.pack("<Q", len(data)) + data + b"\x85R.")
        assert [row.verdict for row in looked(path)[1].code if row.name.endswith("_load_from_bytes")] == [verdict]


def test_a_type_that_hides_objects_is_a_trick(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    dtype = np.dtype([("a", "O"), ("b", "<i4")])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(dtype, 2))
    assert any(row.name == "(a trick)" for row in looked(tmp_path / "a.pkl")[1].code)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([np.dtype("<f4"), np.dtype([("b", "<i4")]), np.dtype("U3")], 2))
    assert looked(tmp_path / "b.pkl")[1].trust == []


# ---------------------------------------------------------------- forms of calls
def newobj_ex(name: str, args: bytes, **named: int) -> bytes:
    words = b"".join(text(key) + b"\x8a\x08" + struct.pack("<q", value) for key, value in named.items())
    return b"\x80\x04c" + name.replace(":", "\n").encode() + b"\n" + args + b"}(" + words + b"u\x92."


SPACE = b"cargparse\nNamespace\n)\x81"
SPACE_2 = b"\x80\x02" + SPACE
TRICKS = {
    "an address by keyword": newobj_ex("torch:Tensor", b")", cdata=0x414141414140),
    "an allocator by keyword": newobj_ex("torch.storage:UntypedStorage", b")", allocator=0x414141414140),
    "a storage called": b"\x80\x02ctorch\nFloatStorage\nK\x04\x85R.",
    "memory asked of an object": b"\x80\x02cnumpy\nmatrix\n" + SPACE + b"\x85R.",
    "a maker of its own": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(" + SPACE + SPACE + b")}tR.",
    "a base of its own": b"\x80\x02ccopy_reg\n_reconstructor\n(" + SPACE + b"cargparse\nNamespace\nNtR.",
    "a scalar of objects": b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x01\0\0\0O\x85RC\x01x\x86R.",
    "a mapping of its own": b"\x80\x02ccollections\nOrderedDict\n" + SPACE + b"\x85R.",
    "a method of its own": SPACE_2 + b"}" + text("__setstate__") + b"cbuiltins\nint\nsb.",
    "an append of its own": SPACE_2 + b"}" + text("append") + b"K\x01sb.",
    "a callable as a value": SPACE_2 + b"}" + text("a") + b"cnumpy\nmatrix\nsb.",
    "a state twice": SPACE_2 + b"}" + text("a") + b"K\x01sb}" + text("b") + b"K\x01sb.",
    "items for what has none": SPACE_2 + b"K\x01a.",
    "attributes by slots": SPACE_2 + b"N}" + text("__len__") + b"K\x01s\x86b.",
    "a state for a number": b"\x80\x02K\x01}" + text("a") + b"K\x01sb.",
    "a field outside its element": b"\x80\x02cnumpy\ndtype\n"
    + text("V8")
    + b"\x85R(K\x03"
    + text("|")
    + b"N"
    + text("a")
    + b"\x85}"
    + text("a")
    + b"cnumpy\ndtype\n"
    + text("f8")
    + b"\x85RJ\0\0\0\x40\x86sK\x08K\x01K\0tb.",
    "a generator of objects": b"\x80\x02cnumpy.random._pickle\n__randomstate_ctor\n]"
    + SPACE
    + b"acnumpy\nmatrix\n\x86R.",
    "a type called": b"\x80\x02ctyping\nDict\n)R.",
}


@pytest.mark.parametrize("kind", TRICKS)
def test_what_is_harmless_is_called_as_its_own_library_does(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(TRICKS[kind])
    _, content = looked(tmp_path / "a.pkl")
    assert [row.why for row in content.code if row.name == "(a trick)"], content.code


def test_attributes_of_a_parameter_are_data(tmp_path: Path) -> None:
    for name, odd in ((b"note", False), (b"__setstate__", True)):
        made = (
            b"ctorch._utils\n_rebuild_parameter_with_state\n(" + TENSOR + b"\x89N}" + text(name.decode()) + b"K\x01stR"
        )
        path = archive(tmp_path / "a.pt", b"\x80\x02}(" + text("w") + made + b"u.")
        assert (DANGEROUS in verdicts(path)) == odd


def test_what_opens_pickles_is_not_harmless_as_a_value(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}" + text("a") + b"ctorch.storage\n_load_from_bytes\ns.")
    assert verdicts(tmp_path / "a.pkl") == {DANGEROUS}


def test_what_honest_writers_write_is_no_trick(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    import argparse
    import collections
    import datetime
    import decimal
    import uuid

    values = [
        np.float64(1.5), np.arange(3), np.ma.masked_array([1, 2], [0, 1]), np.random.RandomState(0),
        np.random.default_rng(0), np.array(["a", None], dtype=object), np.dtype([("a", "<i4")]),
        np.rec.array([(1, 2.0)]), np.datetime64("2026-01-01"), collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]), collections.Counter("aab"), collections.deque([1], 3),
        argparse.Namespace(a=1, p=Path("x")), decimal.Decimal("1.5"), uuid.UUID(int=1), {1, 2}, frozenset([1]), 1 + 2j,
        slice(1, 2), range(3), bytearray(b"x"), b"x", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
        datetime.timedelta(1), ValueError("x"), np.ma.masked, np.float32, int, Ellipsis,
    ]  # fmt: skip
    for protocol in range(6):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(values, protocol))
        _, content = looked(path)
        wrong = [(row.name, row.why) for row in content.code if row.verdict in (DANGEROUS, UNKNOWN)]
        assert wrong == [], protocol


# ---------------------------------------------------------------- limits
LIMITS = {
    "number.pkl": b"\x80\x04\x8b" + struct.pack("<i", 3000) + b"\x01" * 3000 + b".",
    "shape.npy": b"\x93NUMPY\1\0\xff\x1f"
    + (b"{'descr': '<f4', 'fortran_order': False, 'shape': (0x" + b"f" * 4000 + b",), }").ljust(0x1FFF),
    "lists.json": b"[]," * 1_100_000,
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_too_large_to_be_told_is_refused(name: str, tmp_path: Path) -> None:
    from assay.formats import jsons

    if name.endswith(".json"):
        with pytest.raises(ValueError, match="more than 1000000"):
            jsons.parsed(LIMITS[name])
        return
    (tmp_path / name).write_bytes(LIMITS[name])
    assert refusal(tmp_path / name)


def test_an_infinite_number_in_a_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/archive_format", "pt2")
        program = '{"graph_module": {"graph": {"nodes": [], "tensor_values": {}}, "signature": {"input_specs": [], '
        file.writestr("a/models/model.json", program + '"output_specs": []}}, "opset_version": {"aten": 1e999}}')
    assert "does not describe a program" in refusal(path)


def test_all_pickles_of_a_checkpoint_share_their_steps(tmp_path: Path) -> None:
    long = b"\x80\x02" + b"N0" * 400_000 + b"N."
    path = archive(tmp_path / "a.pt", b"\x80\x02}.", **{f"{i}.pkl": long for i in range(8)})
    assert "more than 4000000 steps" in refusal(path)
