"""TensorFlow Lite against what LiteRT's interpreter says, against damage, and against files that lie."""

import hashlib
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.formats.content import Content
from looked import looked, recognised, refusal
from mangled import answers, cut, flipped

DATA = Path(__file__).parents[2] / "data" / "tflite"
EXPECTED = json.loads((DATA / "expected.json").read_text())
REAL = sorted(EXPECTED)
LARGE = 1 << 63


# ---------------------------------------------------------------- a small writer: tables before what they lead to
def fields(**named: Any) -> dict[int, Any]:
    """Give fields by number: f3=... ."""
    return {int(key[1:]): value for key, value in named.items()}


def num(code: str, value: int) -> tuple[str, int]:
    return code, value


def ints(code: str, *values: "int | float") -> tuple[str, list[Any]]:
    return code, list(values)


class Writer:
    """Lays out tables one behind the other; an object given twice is written once."""

    def __init__(self) -> None:
        self.out = bytearray(8)
        self.known: dict[int, int] = {}
        self.kept: list[Any] = []

    def add(self, value: Any, place: int) -> None:
        """Lead from a place to a value: to where it was written already, if that lies behind the place."""
        target = self.known.get(id(value), 0)
        if target <= place:
            self.kept.append(value)
            target = self.table(value) if isinstance(value, dict) else self.vector(value)
        struct.pack_into("<I", self.out, place, target - place)

    def vector(self, value: Any) -> int:
        self.out += bytes(-len(self.out) % 8 + 4)  # so that what follows the length is aligned
        at = len(self.out)
        if isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            self.out += struct.pack("<I", len(data)) + data + b"\0"
        elif isinstance(value, tuple):
            self.out += struct.pack(f"<I{len(value[1])}{value[0]}", len(value[1]), *value[1])
        else:
            self.out += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for i, one in enumerate(value):
                self.add(one, at + 4 + 4 * i)
        return at

    def table(self, value: dict[int, Any]) -> int:
        count = max(value, default=-1) + 1
        self.out += bytes(-len(self.out) % 8)
        start = len(self.out)
        head = 4 + 2 * count + (-(4 + 2 * count) % 8)
        places, size = [], 8
        for i in range(count):
            one = value.get(i)
            width = struct.calcsize(one[0]) if isinstance(one, tuple) and not isinstance(one[1], list) else 4
            size += -size % width if one is not None else 0
            places.append(size if one is not None else 0)
            size += width if one is not None else 0
        self.out += struct.pack(f"<HH{count}H", 4 + 2 * count, size, *places).ljust(head, b"\0") + bytes(size)
        at = start + head
        struct.pack_into("<i", self.out, at, head)
        self.known[id(value)] = at
        for i, place in enumerate(places):
            one = value.get(i)
            if one is None:
                continue
            if isinstance(one, tuple) and not isinstance(one[1], list):
                struct.pack_into("<" + one[0], self.out, at + place, one[1])
            else:
                self.add(one, at + place)
        return at

    def bytes(self, root: dict[int, Any]) -> bytes:
        self.add(root, 0)
        self.out[4:8] = b"TFL3"
        return bytes(self.out)


def buffer(data: bytes) -> dict[int, Any]:
    return fields(f0=data)


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, at: int = 0, **more: Any) -> dict[int, Any]:
    return fields(f0=ints("i", *shape), f1=num("b", kind), f2=num("I", at), f3=name, **more)


def model(tensors: list[Any], buffers: list[Any] = (), **more: Any) -> dict[int, Any]:
    """Give a model of one graph, whose first tensor is both its input and its output."""
    graph = fields(f0=tensors, f1=ints("i", 0), f2=ints("i", 0), f3=more.pop("nodes", []), f4="main")
    parts = {"f0": num("I", 3), "f1": [], "f2": [graph], "f3": "by hand", "f4": [{}, *buffers], **more}
    return fields(**parts)


def made(path: Path, root: dict[int, Any], behind: bytes = b"") -> Path:
    path.write_bytes(Writer().bytes(root) + behind)
    return path


def read(path: Path, *args: Any, **more: Any) -> Content:
    return looked(made(path / "a.tflite", model(*args, **more)))[1]


# ---------------------------------------------------------------- what LiteRT reads
@pytest.mark.parametrize("name", REAL)
def test_inputs_and_outputs_are_those_that_litert_sees(name: str) -> None:
    form, content = looked(DATA / name)
    assert (form.name, form.by) == ("tflite", "magic bytes b'TFL3' at byte 4")
    assert content.graph is not None
    for field in ("inputs", "outputs"):
        found = [(t.name, t.dtype, t.shape) for t in getattr(content.graph, field)]
        assert found == [(t["name"], t["dtype"], t["shape"]) for t in EXPECTED[name][field]]


@pytest.mark.parametrize("name", REAL)
def test_weights_lie_where_litert_finds_them(name: str) -> None:
    _, content = looked(DATA / name)
    data = (DATA / name).read_bytes()
    found = {t.name: (t.dtype, t.shape, t.bytes) for t in content.tensors}
    assert found == {t["name"]: (t["dtype"], t["shape"], t["bytes"]) for t in EXPECTED[name]["weights"]}
    digests = {t.name: hashlib.sha256(data[t.at : t.at + t.bytes]).hexdigest() for t in content.tensors if t.at}
    assert digests == {t["name"]: t["sha256"] for t in EXPECTED[name]["weights"]}


def test_scales_and_zero_points_are_those_that_litert_sees() -> None:
    _, content = looked(DATA / "labelled.tflite")
    expected = EXPECTED["labelled.tflite"]
    (x,), (y,) = expected["inputs"], expected["outputs"]
    kernel = next(t for t in expected["weights"] if t["name"] == "kernel")
    assert content.quantised[:3] == [
        f"input x: int8, scale {x['scales'][0]:.7g}, zero point {x['zero_points'][0]}",
        f"output y: int8, scale {y['scales'][0]:.7g}, zero point {y['zero_points'][0]}",
        f"kernel: int8, 3 scales along axis 0 ({min(kernel['scales'])} to {max(kernel['scales'])}), zero point 0",
    ]


def test_signatures_metadata_and_operators() -> None:
    _, content = looked(DATA / "tiny.tflite")
    assert content.metadata == {
        "CONVERSION_METADATA": "(40 bytes)", "min_runtime_version": "2.3.0", "tflite.version": "3",
        "tflite.description": "made for tests", "tflite.subgraphs": "1",
        "tflite.signature.serving_default": "inputs image; outputs scores",
    }  # fmt: skip
    assert EXPECTED["tiny.tflite"]["signatures"] == {"serving_default": {"inputs": ["image"], "outputs": ["scores"]}}
    assert content.graph is not None
    assert (content.graph.nodes, content.graph.ops) == (2, {"FULLY_CONNECTED": 1, "SOFTMAX": 1})
    assert (content.risks, content.cannot, content.graph.custom_ops) == ([], [], [])


def test_labels_come_from_the_appended_files() -> None:
    _, content = looked(DATA / "labelled.tflite")
    assert content.labels == ["tench", "goldfish", "great white shark"]
    assert [(d.path, d.bytes, d.embedded) for d in content.embedded] == [
        ("labels.txt", 33, True),
        ("vocab.txt", 4, True),
    ]
    assert content.embedded[1].sha256 == hashlib.sha256(b"a\nb\n").hexdigest()


@pytest.mark.parametrize("name", ["tiny.tflite", "outlying.tflite"])
def test_numbers_are_looked_at_where_they_lie(tmp_path: Path, name: str) -> None:
    _, content = looked(DATA / name)
    data = bytearray((DATA / name).read_bytes())
    bias = next(t for t in content.tensors if t.name == "dense/bias")
    assert struct.unpack_from("<3f", data, bias.at) == (0.5, -1, 2)
    struct.pack_into("<f", data, bias.at + 4, float("inf"))
    (tmp_path / "a.tflite").write_bytes(data)
    record = Examination(tmp_path / "a.tflite").record(Digests(), {})
    assert record.values is not None
    assert (record.values.checked, record.values.nonfinite) == (15, {"dense/bias": 1})


# ---------------------------------------------------------------- tensors
def test_shared_packed_sparse_and_text_tensors(tmp_path: Path) -> None:
    tensors = [
        tensor("a", (2,), at=1), tensor("b", (2, 1), at=1), tensor("int4", (3,), 17, 2), tensor("text", (9,), 5, 3),
        tensor("sparse", (8, 8), at=4, f6={}), tensor("new", (4,), 99, 5), tensor("none", (4,), at=0),
    ]  # fmt: skip
    content = read(tmp_path, tensors, [buffer(b"x" * n) for n in (8, 2, 5, 12, 3)])
    assert [(t.name, t.dtype, t.bytes, t.at is None) for t in content.tensors] == [
        ("a", "float32", 8, False), ("b", "float32", 8, False), ("int4", "int4", 2, False), ("text", "string", 5, False),
        ("sparse", "float32", 12, True), ("new", "type 99", 3, False),
    ]  # fmt: skip
    assert content.shared == [["a", "b"]]
    assert [s.names for s in content.stretches] == [["a", "b"]]
    assert sum(content.unchecked.values()) == 4


def test_numbers_under_several_tensors_are_looked_at_once(tmp_path: Path) -> None:
    shared = buffer(bytes(8))
    one = fields(f1=num("Q", 64), f2=num("Q", 16))
    other = fields(f1=num("Q", 72), f2=num("Q", 8))
    tensors = [tensor("a", (2,), at=1), tensor("b", (1,), 4, at=2), tensor("c", (4,), at=3), tensor("d", (2,), at=4)]
    content = read(tmp_path, tensors, [shared, shared, one, other])
    assert sorted(s.names for s in content.stretches) == [["a"], ["c"]]
    assert content.unchecked == {
        "on the bytes of a tensor of another type": 1, "on some of the bytes that other tensors lie on": 1,
    }  # fmt: skip
    assert content.risks == ["1 of its tensors lie on some of the bytes that other tensors lie on"]


def test_many_quantised_tensors_are_counted_by_kind(tmp_path: Path) -> None:
    one = fields(f2=ints("f", 0.5), f3=ints("q", 3))
    axis = fields(f2=ints("f", 0.5, 0.25), f3=ints("q", 0, 1), f6=num("i", 1))
    blocks = fields(f4=num("B", 2), f5=fields(f2=num("i", 32)))
    kinds = [one] * 9 + [axis] * 9 + [blocks] * 2
    tensors = [tensor(f"t{i}", (2,), 9, f4=kind) for i, kind in enumerate(kinds)]
    assert read(tmp_path, tensors).quantised == [
        "input t0: int8, scale 0.5, zero point 3", "int8 in blocks of 32: 2 tensors",
        "int8 per axis: 9 tensors", "int8 per tensor: 8 tensors",
    ]  # fmt: skip
    assert (
        read(tmp_path, tensors[9:11]).quantised[1]
        == "t10: int8, 2 scales along axis 1 (0.25 to 0.5), zero points 0 to 1"
    )
    assert read(tmp_path, [tensor("float", (2,), f4=one)]).quantised == []


def test_files_beside_the_model_are_read_by_the_usual_rules(tmp_path: Path) -> None:
    groups = [fields(f0="w.bin")]
    outside = [fields(f0=num("I", 7), f2=num("Q", 4), f3=num("Q", 8)), fields(f0=num("I", 8), f3=num("Q", 4), f4="zip")]
    root = model([tensor("a", (2,), f10=num("I", 7)), tensor("b", (1,), f10=num("I", 8))], f8=groups, f9=outside)
    path = made(tmp_path / "a.tflite", root)
    assert "external data file w.bin is missing" in refusal(path)
    (tmp_path / "w.bin").write_bytes(bytes(11))
    assert "truncated: tensor 'a' ends at byte 12 of w.bin, which has 11" in refusal(path)
    (tmp_path / "w.bin").write_bytes(bytes(8) + struct.pack("<f", float("nan")))
    _, content = looked(path)
    assert [(t.name, t.file, t.at) for t in content.tensors] == [("a", "w.bin", 4), ("b", "w.bin", None)]
    assert content.external == ["w.bin"]
    record = Examination(path).record(Digests(), {})
    assert record.values is not None
    assert record.values.nonfinite == {"a": 1}
    groups[0][0] = "../w.bin"
    assert "lies outside the model's folder" in refusal(made(path, root))
    groups.clear()
    assert "file 0 of 0 beside it" in refusal(made(path, root))


def test_several_subgraphs(tmp_path: Path) -> None:
    root = model([tensor("a", (1,), at=1)], [buffer(bytes(4))])
    root[2].append(fields(f0=[tensor("b", (1,), at=1)], f4="decode"))
    _, content = looked(made(tmp_path / "a.tflite", root))
    assert [(t.name, t.part) for t in content.tensors] == [("a", ""), ("b", "decode")]
    assert content.shared == [["a", "decode: b"]]
    assert content.risks == ["it holds 2 subgraphs; the first one is described"]
    root[7] = [fields(f0=[fields(f0="in")], f1=[], f2="main")]
    _, content = looked(made(tmp_path / "a.tflite", root))
    assert (content.risks, content.metadata["tflite.signature.main"]) == ([], "inputs in; outputs none")


def test_operators_of_others_and_of_the_future(tmp_path: Path) -> None:
    codes = [
        fields(f0=num("b", 32), f1="FlexErf"), fields(f0=num("b", 32), f1="TFLite_Detection_PostProcess"),
        fields(f0=num("b", 127), f3=num("i", 205)), fields(f3=num("i", 999)), fields(f0=num("b", 32)), fields(),
    ]  # fmt: skip
    nodes = [fields(f0=num("I", i)) for i in (0, 0, 1, 2, 3, 4, 5)]
    content = read(tmp_path, [tensor("x", (1,))], nodes=nodes, f1=codes)
    assert content.graph is not None
    assert content.graph.ops == {
        "ADD": 1, "FlexErf": 2, "REDUCE_WINDOW": 1, "TFLite_Detection_PostProcess": 1, "operator 999": 1, "without a name": 1,
    }  # fmt: skip
    assert content.graph.custom_ops == ["FlexErf", "without a name"]
    assert content.cannot[0] == "operator FlexErf needs a library of its own"
    assert content.risks == ["operator 999 is newer than any known here"]


def test_unknown_sizes_and_texts_that_are_none(tmp_path: Path) -> None:
    content = read(tmp_path, [tensor(b"caf\xe9", (1, 4), f7=ints("i", -1, 4))])
    assert content.graph is not None
    assert [(t.name, t.shape) for t in content.graph.inputs] == [("caf\ufffd", [None, 4])]


# ---------------------------------------------------------------- the files behind it
def zipped(names: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in names.items():
            archive.writestr(zipfile.ZipInfo(name), data, packing)
    return file.getvalue()


def test_a_zip_whose_places_count_from_its_own_start(tmp_path: Path) -> None:
    behind = zipped({"labels_de.txt": b"eins\n", "labelmap.txt": b"one\ntwo\n\n", "label.png": b"", "d/": b""})
    _, content = looked(made(tmp_path / "a.tflite", model([tensor("x", (1,))]), behind))
    assert content.labels == ["one", "two"]
    assert [d.path for d in content.embedded] == ["label.png", "labelmap.txt", "labels_de.txt"]


def test_a_zip_that_lies_is_refused(tmp_path: Path) -> None:
    path, root = tmp_path / "a.tflite", model([tensor("x", (1,))])
    good = zipped({"labels.txt": b"one\n"})
    assert "leads out of the archive" in refusal(made(path, root, zipped({"../labels.txt": b"one\n"})))
    assert "not what its checksum says" in refusal(made(path, root, good.replace(b"one\n", b"two\n")))
    assert "truncated: the files appended to it end too early" in refusal(made(path, root, good[:-1]))
    numbers = bytes(40) + b"PK\x05\x06" + bytes(18)
    assert refusal(made(path, root, numbers)) == ""


def test_large_files_behind_it_are_not_unpacked(tmp_path: Path) -> None:
    behind = zipped({"labels.txt": bytes(9 << 20)}, zipfile.ZIP_DEFLATED)
    _, content = looked(made(tmp_path / "a.tflite", model([tensor("x", (1,))]), behind))
    assert content.risks == ["the appended file labels.txt (9437184 bytes) is not looked at"]


# ---------------------------------------------------------------- what cannot be
def refused(path: Path, *args: Any, **more: Any) -> str:
    return refusal(made(path / "a.tflite", model(*args, **more)))


def test_models_that_cannot_be_are_refused(tmp_path: Path) -> None:
    x = tensor("x", (1,))
    assert "schema version 2: version 3 is read" in refused(tmp_path, [x], f0=num("I", 2))
    assert "damaged: it holds no graph" in refused(tmp_path, [x], f2=[])
    assert "damaged: entry 0 of 0 is led to" in refused(tmp_path, [])
    assert "damaged: operator 5 of 0 is led to" in refused(tmp_path, [x], nodes=[fields(f0=num("I", 5))])
    assert "damaged: buffer 9 of 1 is led to" in refused(tmp_path, [tensor("x", (1,), at=9)])
    assert "needs 12 bytes, its buffer has 8" in refused(tmp_path, [tensor("x", (3,), at=1)], [buffer(bytes(8))])
    assert "'x' has the shape [-1]" in refused(tmp_path, [tensor("x", (-1,), at=1)], [buffer(bytes(8))])
    huge = tensor("x", (1 << 30,) * 3, at=1)
    assert "'x' has the shape [1073741824" in refused(tmp_path, [huge], [buffer(bytes(8))])
    far = fields(f1=num("Q", LARGE), f2=num("Q", LARGE))
    assert "truncated: 9223372036854775808 bytes promised" in refused(tmp_path, [tensor("x", (3,), at=1)], [far])


def test_offsets_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    for start, says in ((0, "leads to itself"), (8, "damaged"), (1 << 31, "truncated"), ((1 << 32) - 1, "truncated")):
        path.write_bytes(struct.pack("<I4s", start, b"TFL3") + bytes(64))
        assert says in refusal(path)
    # a list of fields before the file, one that is odd, one longer than the file, a field outside of its table
    for table in ("<iHHH", 100, 4, 4, 0), ("<iHHH", -4, 5, 4, 0), ("<iHHH", -4, 65_534, 4, 0), ("<iHHH", -4, 6, 8, 7):
        path.write_bytes(struct.pack("<I4s", 8, b"TFL3") + struct.pack(*table) + bytes(64))
        assert "damaged" in refusal(path) or "truncated" in refusal(path)


def test_a_list_that_is_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(Writer().bytes(model([tensor("x", (1,))])))
    at = data.index(b"by hand") - 4
    struct.pack_into("<I", data, at, 0xFFFFFFFF)
    (tmp_path / "a.tflite").write_bytes(data)
    assert "truncated: 4294967295 bytes promised" in refusal(tmp_path / "a.tflite")


def test_one_thing_led_to_a_million_times_ends(tmp_path: Path) -> None:
    one = fields(f0=num("I", 0))
    wide = [one] * 100_000
    many = model([tensor("x", (1,))], nodes=wide, f1=[fields()])
    many[2] += many[2][:1] * 1000
    assert "holds more than 500000 tables" in refusal(made(tmp_path / "a.tflite", many))


def test_long_names_led_to_often_end(tmp_path: Path) -> None:
    name = "n" * 60_000
    content_of = [fields(f0=ints("i", 1), f2=num("I", 1), f3=name) for _ in range(5000)]
    assert "bytes of names" in refused(tmp_path, content_of, [buffer(bytes(4))])


# ---------------------------------------------------------------- damage
@pytest.mark.parametrize("name", REAL)
def test_every_cut_ends_in_an_answer(tmp_path: Path, name: str) -> None:
    read, _ = answers(tmp_path / "a.tflite", cut((DATA / name).read_bytes()))
    # What fills up to 16 bytes may be missing, and the appended files as a whole.
    assert read == {"tiny.tflite": 0, "outlying.tflite": 8, "labelled.tflite": 4}[name]


@pytest.mark.parametrize("name", REAL)
def test_flipped_bits_end_in_an_answer(tmp_path: Path, name: str) -> None:
    read, refused = answers(tmp_path / "a.tflite", flipped((DATA / name).read_bytes(), 1500, seed=11))
    assert read > 100
    assert refused > 100


def test_it_is_known_by_its_bytes(tmp_path: Path) -> None:
    made(tmp_path / "model.bin", model([tensor("x", (1,))]))
    assert recognised(tmp_path / "model.bin").name == "tflite"
    (tmp_path / "b.tflite").write_bytes(os.urandom(4) + b"TFL2" + bytes(20))
    assert "its name says tflite" in refusal(tmp_path / "b.tflite")
