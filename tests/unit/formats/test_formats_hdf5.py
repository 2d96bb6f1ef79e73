"""HDF5 against what h5py says, against damage, and against files made to harm whoever reads them."""

import hashlib
import json
import struct
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.formats.hdf5_source import lookup3
from looked import looked, recognised, refusal
from mangled import HANG, answers, cut, flipped

DATA = Path(__file__).parents[2] / "data" / "hdf5"
EXPECTED = json.loads((DATA / "expected.json").read_text())
REAL = sorted(name for name in EXPECTED if name.endswith(".h5"))
OPTIMIZER = "optimizer_weights/"
NO_NUMBERS = {"object": "string", "[('x', '<i4'), ('y', '<f8')]": "compound", ">f4": "float32"}
NOWHERE = (1 << 64) - 1
F4 = bytes.fromhex("11201f0004000000 00002000170800177f000000")


# ---------------------------------------------------------------- what h5py wrote and sees
@pytest.mark.parametrize("name", REAL)
def test_tensors_are_those_that_h5py_sees(name: str) -> None:
    form, content = looked(DATA / name)
    assert (form.name, form.by) == ("hdf5", "magic bytes b'\\x89HDF'")
    wanted = {n: t for n, t in EXPECTED[name]["tensors"].items() if not n.startswith(OPTIMIZER)}
    assert [t.name for t in content.tensors] == sorted(wanted)
    data = (DATA / name).read_bytes()
    for tensor in content.tensors:
        told = wanted[tensor.name]
        assert tensor.shape == told["shape"], tensor.name
        if tensor.dtype != "bfloat16":
            assert tensor.dtype == NO_NUMBERS.get(told["dtype"], told["dtype"]), tensor.name
        if tensor.at is not None and tensor.name != "compact":  # h5py tells no place in a header
            assert tensor.at == told["at"], tensor.name
            held = data[tensor.at : tensor.at + tensor.bytes]
            assert hashlib.sha256(held).hexdigest()[:16] == told["sha256"], tensor.name


@pytest.mark.parametrize("name", REAL)
def test_attributes_are_those_that_h5py_sees(name: str) -> None:
    _, content = looked(DATA / name)
    for key, text in EXPECTED[name]["texts"].items():
        assert content.metadata[key] == text


@pytest.mark.parametrize("name", ["earliest.h5", "latest.h5"])
def test_every_layout_type_and_value_of_both_versions(name: str) -> None:
    _, content = looked(DATA / name)
    by_name = {t.name: t for t in content.tensors}
    assert {n for n, t in by_name.items() if t.at is None} == {
        "words", "rows", "empty", "unwritten", "packed", "chunked",
    }  # fmt: skip
    assert content.unchecked == {
        "in chunks": 1,
        "compressed": 1,
        "never written": 1,
        "of the type compound, which is no plain number": 1,
        "of the type string, which is no plain number": 1,
    }
    assert by_name["block/attention/brain"].dtype == "bfloat16"  # so Keras notes beside two bytes
    assert by_name["compact"].at is not None
    data = (DATA / name).read_bytes()
    assert struct.unpack_from("<5f", data, by_name["compact"].at) == (0, 1, 2, 3, 4)
    assert content.shared == [["again", "block/attention/half"]]
    assert [s.names for s in content.stretches if s.big] == [["block/attention/big"]]
    told = {k: v for k, v in content.metadata.items() if k not in EXPECTED[name]["texts"]}
    assert told == {
        "block/attention/brain: dtype": "bfloat16",
        "block/attention: name": "first",
        "done": "true",
        "epochs": "7",
        "keras_version": "3.0",
        "layer_names": '["b", "ü"]',
        "rates": "[0.5, 0.25]",
    }
    assert content.risks == []


def test_many_links_and_attributes_are_read_from_their_heaps() -> None:
    _, content = looked(DATA / "dense.h5")
    assert [t.name for t in content.tensors] == [f"w{i}" for i in range(9)]
    assert {k: v for k, v in content.metadata.items() if k != "long"} == {f"a{i}": f"text {i}" for i in range(9)}
    assert content.metadata["long"] == "x" * 4200
    assert content.risks == content.trust == []


def test_what_leads_out_of_a_file_is_named_and_not_followed() -> None:
    _, content = looked(DATA / "outward.h5")
    assert content.risks == [
        "'far' leads to '/w' of another file, '../../etc/secret.h5': not followed",
        "'soft' leads to '/w' of this file: not followed",
        "'group/circle' is '/' once more: not walked again",
        "'raw' keeps its numbers in '/etc/passwd': not followed",
        "'virtual' is put together from other tensors or files: not followed",
    ]
    assert {t.name: t.at is None for t in content.tensors} == {"raw": True, "virtual": True, "w": False}
    assert content.unchecked == {"in other files": 1, "put together from other tensors": 1}
    assert content.external == []


def test_a_keras_model_tells_its_graph_its_optimizer_and_its_code() -> None:
    _, content = looked(DATA / "model.h5")
    assert content.graph is not None
    assert [(t.name, t.dtype, t.shape) for t in content.graph.inputs] == [("x", "float32", [None, 4])]
    assert [t.name for t in content.graph.outputs] == ["double"]
    assert (content.graph.nodes, content.graph.ops) == (3, {"Dense": 1, "InputLayer": 1, "Lambda": 1})
    assert content.graph.producer == f"keras {content.metadata['keras_version']} (tensorflow)"
    assert content.leftovers == {"optimizer_weights": "2 tensors of 2 numbers"}
    assert [(c.name, c.verdict, c.where) for c in content.code] == [
        ("keras.layers.Lambda", "dangerous", "model_config")
    ]
    assert content.trust == ["it holds or asks for code that can do harm: keras.layers.Lambda"]


# ---------------------------------------------------------------- values
@pytest.mark.parametrize(("name", "sign"), [("block/attention/half", "<e"), ("block/attention/big", ">f")])
def test_numbers_are_looked_at_where_they_lie(tmp_path: Path, name: str, sign: str) -> None:
    data = bytearray((DATA / "latest.h5").read_bytes())
    struct.pack_into(sign, data, EXPECTED["latest.h5"]["tensors"][name]["at"], float("nan"))
    (tmp_path / "a.h5").write_bytes(data)
    record = Examination(tmp_path / "a.h5").record(Digests(), {})
    assert record.values is not None
    assert {n.replace("again", "block/attention/half"): c for n, c in record.values.nonfinite.items()} == {name: 1}
    assert record.values.unchecked["compressed"] == 1


# ---------------------------------------------------------------- damage
@pytest.mark.parametrize(("name", "step"), [("outward.h5", 1), ("earliest.h5", 13)])
def test_cut_at_every_length(tmp_path: Path, name: str, step: int) -> None:
    read, refused = answers(tmp_path / "a.h5", islice(cut((DATA / name).read_bytes()), None, None, step))
    assert read == 0
    assert refused > 1000


@pytest.mark.parametrize("name", REAL)
def test_flipped_bytes_end_in_an_answer(tmp_path: Path, name: str) -> None:
    read, refused = answers(tmp_path / "a.h5", flipped((DATA / name).read_bytes(), 800, seed=5))
    assert read + refused == 800
    assert refused > 80


@pytest.mark.parametrize("name", ["latest.h5", "dense.h5"])
def test_a_checksum_that_is_not_kept_is_damage(tmp_path: Path, name: str) -> None:
    data = bytearray((DATA / name).read_bytes())
    data[data.index(b"OHDR") + 20] ^= 1
    (tmp_path / "a.h5").write_bytes(data)
    assert "is not what its checksum says" in refusal(tmp_path / "a.h5")


def test_the_checksum_is_jenkins() -> None:
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551  # from his own driver


# ---------------------------------------------------------------- made to harm
def file(path: Path, *objects: bytes) -> Path:
    """Put objects behind a superblock of version 2, the root first; it has 48 bytes."""
    body = b"".join(objects)
    head = b"\x89HDF\r\n\x1a\n\x02\x08\x08\x00" + struct.pack("<4Q", 0, NOWHERE, 48 + len(body), 48)
    path.write_bytes(head + struct.pack("<I", lookup3(head)) + body)
    return path


def header(*messages: tuple[int, bytes]) -> bytes:
    """Make an object header of version 1."""
    body = b"".join(struct.pack("<HHB3x", k, -(-len(m) // 8) * 8, 0) + m + bytes(-len(m) % 8) for k, m in messages)
    return struct.pack("<BxHII4x", 1, len(messages) & 0xFFFF, 1, len(body)) + body


def new_header(*messages: tuple[int, bytes]) -> bytes:
    """Make an object header of version 2."""
    body = b"".join(struct.pack("<BHB", k, len(m), 0) + m for k, m in messages)
    head = b"OHDR\x02\x02" + struct.pack("<I", len(body)) + body
    return head + struct.pack("<I", lookup3(head))


def link(name: str, address: int) -> tuple[int, bytes]:
    return 6, b"\x01\x00" + bytes([len(name)]) + name.encode() + struct.pack("<Q", address)


def soft(name: str) -> tuple[int, bytes]:
    return 6, b"\x01\x08\x01" + bytes([len(name)]) + name.encode() + b"\x01\x00x"


def space(*sizes: int) -> tuple[int, bytes]:
    return 1, bytes([2, len(sizes), 0, 1 if sizes else 0]) + struct.pack(f"<{len(sizes)}Q", *sizes)


def contiguous(at: int, size: int) -> tuple[int, bytes]:
    return 8, b"\x03\x01" + struct.pack("<QQ", at, size)


ROOT = 48 + len(header(link("w", 0)))


def one_tensor(path: Path, *messages: tuple[int, bytes], data: bytes = b"") -> Path:
    return file(path, header(link("w", ROOT)), header(*messages), data)


def test_what_is_made_here_is_read(tmp_path: Path) -> None:
    _, content = looked(one_tensor(tmp_path / "a.h5", space(2), (3, F4), contiguous(0, 8)))
    assert [(t.name, t.dtype, t.shape, t.at) for t in content.tensors] == [("w", "float32", [2], 0)]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([space(2), (3, F4), contiguous(1 << 40, 8)], "'w' needs 8 bytes, 0 are there"),
        ([space(2), (3, F4), contiguous(0, 4)], "'w' needs 8 bytes, 4 are there"),
        ([space(1 << 31, 1 << 30), (3, F4), contiguous(0, 8)], "'w' needs 9223372036854775808 bytes, 8 are there"),
        ([space(1 << 40, 1 << 40), (3, F4), contiguous(0, 8)], "damaged: the shape [1099511627776, 1099511627776]"),
        ([space(2), (3, F4), (8, b"\x03\x09")], "laid out in a way not known here"),
        ([space(2), (3, b"\x1f" + F4[1:]), contiguous(0, 8)], "a type of class 15"),
        ([space(2), (3, b"\x19\0\0\0\x10\0\0\0" * 40 + F4), contiguous(0, 8)], "types nested too deep"),
        ([space(2), (3, b"\x16\xff\xff\0\x04\0\0\0a\0"), contiguous(0, 8)], "ends too early"),
        ([(3, F4), contiguous(0, 8)], "'w' has no type or no shape"),
        ([(0x10, struct.pack("<QQ", 1 << 62, 64))], "it points at 64 bytes from byte 4611686018427387904"),
        ([(0x10, struct.pack("<QQ", 0, 1 << 62))], "it points at 4611686018427387904 bytes from byte 0"),
        ([(0x10, struct.pack("<QQ", NOWHERE, 64))], "goes on nowhere"),
        ([(0x40, b"x")], "is neither a group nor a tensor"),
    ],
)
def test_what_lies_about_itself_is_refused(tmp_path: Path, messages: list[tuple[int, bytes]], said: str) -> None:
    assert said in refusal(one_tensor(tmp_path / "a.h5", *messages))


def test_a_header_that_goes_on_in_a_circle_is_refused(tmp_path: Path) -> None:
    again = header((0x10, struct.pack("<QQ", 48 + 16, 24)))
    assert "goes on in a circle" in refusal(file(tmp_path / "a.h5", again))


def tree(*children: int, level: int = 0) -> bytes:
    """Make a node of an old group's B-tree."""
    keys = b"".join(struct.pack("<QQ", 0, child) for child in children)
    return b"TREE\0" + struct.pack("<BHQQ", level, len(children), NOWHERE, NOWHERE) + keys + bytes(8)


def old_group(path: Path, heap: bytes, *nodes: bytes) -> Path:
    """Put an old group's heap at byte 96, its data at 128, and its tree at 256."""
    root = header((0x11, struct.pack("<QQ", 256, 96)))
    lead = b"HEAP\0\0\0\0" + struct.pack("<QQQ", len(heap), 1, 128)
    return file(path, root.ljust(48, b"\0"), lead, heap.ljust(128, b"\0"), *nodes)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([tree(256, level=1)], "the tree at byte 256 holds byte 256 twice"),
        ([tree(304, 304)], "the tree at byte 256 holds byte 304 twice"),
        ([tree(304, level=2), tree(320)], "a node of level 0 at byte 304, where one of level 1 belongs"),
        ([tree(1 << 50)], "it points at 8 bytes from byte 1125899906842624"),
        ([tree(304), b"SNOD\x01\0\xff\xff"], "it points at 2621400 bytes"),
        ([tree(304), b"SNOD\x01\0\x01\0" + struct.pack("<QQ24x", 99, 48)], "a name lies outside its heap"),
        ([tree(304), b"SNOD\x01\0\x02\0" + struct.pack("<QQ24x", 0, 48) * 2], "holds 'a' twice"),
        ([tree(304), b"SNOD\x01\0\x01\0" + struct.pack("<QQ24x", 2, 48)], "a member is called 'b/c'"),
    ],
)
def test_old_groups_that_lie_are_refused(tmp_path: Path, nodes: list[bytes], said: str) -> None:
    assert said in refusal(old_group(tmp_path / "a.h5", b"a\0b/c\0", *nodes))


def test_groups_in_a_circle_and_links_to_nowhere_are_told(tmp_path: Path) -> None:
    _, content = looked(file(tmp_path / "a.h5", header(link("self", 48), link("void", NOWHERE))))
    assert content.risks == [
        "'void' leads nowhere", "'self' is '/' once more: not walked again", "it holds no tensor",
    ]  # fmt: skip


def test_groups_without_end_are_refused(tmp_path: Path) -> None:
    size = len(header(link("g", 0)))
    chain = [header(link("g", 48 + size * (i + 1))) for i in range(100)]
    assert "nested deeper than in any model" in refusal(file(tmp_path / "a.h5", *chain))


def test_tensors_that_lie_on_each_other_are_refused(tmp_path: Path) -> None:
    tensor = header(space(2), (3, F4), contiguous(0, 8))
    first = 48 + len(header(link("a", 0), link("b", 0)))
    root = header(link("a", first), link("b", first + len(tensor)))
    other = header(space(2), (3, F4), contiguous(4, 8))
    assert "'b' lies on the numbers of 'a'" in refusal(file(tmp_path / "a.h5", root, tensor, other))


def test_a_plug_in_and_absurd_sizes_are_risks(tmp_path: Path) -> None:
    filters = (0x0B, b"\x02\x01" + struct.pack("<HHHH", 32015, 0, 0, 0))
    chunked = (8, b"\x03\x02\x03" + struct.pack("<QIII", NOWHERE, 1, 1, 4))
    _, content = looked(one_tensor(tmp_path / "a.h5", space(1 << 31, 1 << 20), (3, F4), chunked, filters))
    assert content.unchecked == {"compressed": 1}
    assert content.risks[0].startswith("'w' claims 9007199254740992 bytes, of a file of ")
    assert content.risks[1] == "'w' is packed by filter 32015, which needs a plug-in of its own"


def test_the_optimizer_hides_no_weights(tmp_path: Path) -> None:
    tensor = header(space(2), (3, F4), contiguous(0, 8))
    group, first = header(link("m", 0)), 48 + len(header(link("optimizer", 0), link("w", 0)))
    second = first + len(group)
    root, group = header(link("optimizer", first), link("w", second)), header(link("m", second))
    _, content = looked(file(tmp_path / "a.h5", root, group, tensor))
    assert [t.name for t in content.tensors] == ["w"]
    assert content.leftovers == {}


@pytest.mark.parametrize(
    "root",
    [
        header(*[soft(f"s{i:06}") for i in range(30_000)]),
        header(*[link(f"s{i:06}", 48) for i in range(30_000)]),
        new_header(*[(0x10, struct.pack("<QQ", 0, 40 << 20))] * 3),
    ],
    ids=["links", "circles", "checksums"],
)
def test_a_file_made_to_cost_time_and_memory_does_not(tmp_path: Path, root: bytes) -> None:
    made, start = file(tmp_path / "a.h5", root), time.process_time()
    tracemalloc.start()
    refusal(made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 << 20
    assert time.process_time() - start < 4 * HANG


def test_more_of_anything_than_a_model_has_is_refused(tmp_path: Path) -> None:
    made, start = file(tmp_path / "a.h5", header(*[(0, b"")] * 510_000)), time.process_time()
    assert "holds more than 500000 objects, links and attributes" in refusal(made)
    assert time.process_time() - start < 4 * HANG


def test_newer_versions_are_named(tmp_path: Path) -> None:
    data = bytearray((DATA / "latest.h5").read_bytes())
    data[8] = 9
    (tmp_path / "a.h5").write_bytes(data)
    assert "is HDF5 of version 9, which is newer than any known here (3)" in refusal(tmp_path / "a.h5")
    assert recognised(tmp_path / "a.h5").name == "hdf5"


def test_a_file_that_was_left_open_is_told(tmp_path: Path) -> None:
    data = bytearray((DATA / "latest.h5").read_bytes())
    data[11] = 1
    struct.pack_into("<I", data, 44, lookup3(bytes(data[:44])))
    (tmp_path / "a.h5").write_bytes(data)
    _, content = looked(tmp_path / "a.h5")
    assert content.risks == ["it was not closed by the program that wrote it: some of it may be missing"]
