"""GGUF against what the gguf package says, against damage, and against files that lie."""

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.formats.ggml_types import TYPES
from assay.formats.gguf_metadata import MOST_ITEMS
from looked import looked, recognised, refusal
from mangled import answers, cut, flipped

DATA = Path(__file__).parents[2] / "data" / "gguf"
EXPECTED = json.loads((DATA / "expected.json").read_text())
REAL = [name for name in EXPECTED if name.endswith(".gguf")]
PLAIN = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I32": "int32"}
KINDS = {"B": 0, "b": 1, "H": 2, "h": 3, "I": 4, "i": 5, "f": 6, "?": 7, "Q": 10, "q": 11, "d": 12}
LARGE = 1 << 63


def text(value: "str | bytes") -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: str, value: Any) -> bytes:
    if kind == "s":
        return text(key) + struct.pack("<I", 8) + text(value)
    if kind.startswith("["):
        inner = b"".join(text(v) if kind == "[s" else struct.pack("<" + kind[1], v) for v in value)
        return text(key) + struct.pack("<IIQ", 9, 8 if kind == "[s" else KINDS[kind[1]], len(value)) + inner
    return text(key) + struct.pack("<I" + kind, KINDS[kind], value)


def tensor(name: str, shape: list[int], kind: int = 0, at: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, at)


ARCHITECTURE = entry("general.architecture", "s", "llama")


def made(path: Path, tensors: list[bytes] = (), data: bytes = b"", entries: list[bytes] = (), **more: int) -> Path:
    head = struct.pack("<4sIQQ", b"GGUF", more.get("version", 3), more.get("count", len(tensors)),
                       more.get("promised", len(entries) + 1))  # fmt: skip
    head += b"".join([ARCHITECTURE, *entries, *tensors])
    align = more.get("align", 32)
    path.write_bytes(head + bytes(-len(head) % align) + data if data else head)
    return path


# ---------------------------------------------------------------- what the gguf package wrote
@pytest.mark.parametrize("name", REAL)
def test_tensors_are_those_that_the_gguf_package_sees(name: str) -> None:
    form, content = looked(DATA / name)
    assert (form.name, form.by) == ("gguf", "magic bytes b'GGUF'")
    assert [
        {"name": t.name, "shape": t.shape, "parameters": t.parameters, "bytes": t.bytes, "at": t.at}
        for t in content.tensors
    ] == [{k: t[k] for k in ("name", "shape", "parameters", "bytes", "at")} for t in EXPECTED[name]["tensors"]]
    assert [t.dtype for t in content.tensors] == [PLAIN.get(t["type"], t["type"]) for t in EXPECTED[name]["tensors"]]


@pytest.mark.parametrize("name", REAL)
def test_metadata_is_what_the_gguf_package_sees(name: str) -> None:
    _, content = looked(DATA / name)
    told = content.metadata
    for key, value in EXPECTED[name]["fields"].items():
        if key == "tokenizer.chat_template":
            assert told[key] == f"(a document of {len(value)} bytes)"
        elif isinstance(value, str):
            assert told[key] == value
        elif isinstance(value, list):
            assert json.loads(told[key]) == value
        elif key.startswith("tokenizer.ggml.token"):
            assert told[key].startswith(f"[{value} ")
        elif isinstance(value, float):
            assert float(told[key]) == pytest.approx(value, rel=1e-7)
        else:
            assert told[key] == str(value).lower()
    assert set(told) == {*EXPECTED[name]["fields"], "gguf.version"}


def test_every_type_is_as_large_as_the_gguf_package_says() -> None:
    for name, (number, block, size) in EXPECTED["types"].items():
        kind = TYPES[number]
        # The package still has the size of 2023 for Q8_1, which no file holds; ggml's own structure has 36 bytes.
        assert (kind.numbers, kind.bytes) == (block, 36 if name == "Q8_1" else size), name
        assert kind.name == name or not kind.quantised
    assert {number for number, *_ in EXPECTED["types"].values()} == {n for n, k in TYPES.items() if not k.gone} - {42}


def test_quantised_tensors_are_counted_and_not_looked_at() -> None:
    _, content = looked(DATA / "tiny.gguf")
    kinds = [t["type"] for t in EXPECTED["tiny.gguf"]["tensors"] if t["type"] not in PLAIN]
    assert content.quantised == [f"{kind}: 1 tensor" for kind in sorted(kinds)]
    assert content.unchecked == {f"quantised as {kind}": 1 for kind in kinds}
    assert {name for s in content.stretches for name in s.names} == {
        "token_embd.weight", "output_norm.weight", "blk.0.steps", "blk.0.bf16",
    }  # fmt: skip


def test_a_chat_template_is_a_document_and_a_risk() -> None:
    _, content = looked(DATA / "tiny.gguf")
    template = EXPECTED["tiny.gguf"]["fields"]["tokenizer.chat_template"]
    assert [(d.path, d.bytes, d.embedded) for d in content.embedded] == [
        ("tokenizer.chat_template", len(template), True)
    ]
    assert any("chat template" in risk and "Jinja" in risk for risk in content.risks)


def test_a_part_of_several_and_the_other_byte_order_are_told() -> None:
    _, first = looked(DATA / "split-00001-of-00002.gguf")
    _, second = looked(DATA / "split-00002-of-00002.gguf")
    assert "is part 1 of 2: the other files hold the rest of the model" in first.risks
    assert second.risks == ["is part 2 of 2: the other files hold the rest of the model"]
    _, big = looked(DATA / "big-endian.gguf")
    assert "its numbers are written big-endian, which most runtimes refuse" in big.risks
    assert all(s.big for s in big.stretches) and all(t.big for t in big.tensors)


# ---------------------------------------------------------------- values
@pytest.mark.parametrize("big", [False, True])
def test_numbers_are_looked_at_where_they_lie(tmp_path: Path, big: bool) -> None:
    name = "big-endian.gguf" if big else "split-00001-of-00002.gguf"
    data = bytearray((DATA / name).read_bytes())
    at = EXPECTED[name]["tensors"][0]["at"]
    assert struct.unpack_from(">6f" if big else "<6f", data, at) == (0, 1, 2, 3, 4, 5)
    struct.pack_into(">f" if big else "<f", data, at + 8, float("nan"))
    (tmp_path / "a.gguf").write_bytes(data)
    record = Examination(tmp_path / "a.gguf").record(Digests(), {})
    assert record.values is not None
    assert record.values.nonfinite == {"a.weight": 1}
    assert record.values.checked == sum(t["parameters"] for t in EXPECTED[name]["tensors"])


# ---------------------------------------------------------------- the head
def test_every_kind_of_value_is_written_down(tmp_path: Path) -> None:
    values = {
        "B": 200,
        "b": -3,
        "H": 60_000,
        "h": -7,
        "I": 1 << 31,
        "i": -9,
        "f": 0.1,
        "?": True,
        "Q": LARGE,
        "q": -1,
        "d": 0.1,
    }
    entries = [entry(f"a.{KINDS[kind]}", kind, value) for kind, value in values.items()]
    entries += [entry("l.few", "[i", [1, -2]), entry("l.many", "[f", [0.5] * 17), entry("l.text", "[s", ["a", 'b"'])]
    entries += [entry("l.long", "[s", ["x" * 2000]), entry("l.none", "[s", []), entry("t", "s", b"caf\xe9\xff")]
    nested = text("l.lists") + struct.pack("<IIQ", 9, 9, 2) + 2 * (struct.pack("<IQ", 4, 1) + bytes(4))
    _, content = looked(made(tmp_path / "a.gguf", entries=[*entries, nested]))
    found = {key: value for key, value in content.metadata.items() if key[:2] in ("a.", "l.", "t")}
    assert found == {
        **{f"a.{KINDS[kind]}": str(value).lower() for kind, value in values.items()},
        "l.few": "[1, -2]", "l.many": "[17 float32]", "l.text": '["a", "b\\""]', "l.long": "[1 strings]", "l.none": "[]",
        "l.lists": "[2 lists]", "t": "caf\ufffd\ufffd",
    }  # fmt: skip
    assert "it holds no tensor" in content.risks


def test_long_texts_become_documents_and_metadata_stays_small(tmp_path: Path) -> None:
    entries = [entry("tokenizer.huggingface.json", "s", "{}" * 5000)]
    entries += [entry(f"general.note{i}", "s", "x" * 4000) for i in range(300)]
    _, content = looked(made(tmp_path / "a.gguf", entries=entries))
    assert content.metadata["tokenizer.huggingface.json"] == "(a document of 10000 bytes)"
    assert content.metadata["general.note299"] == "(left out: 4000 characters)"
    assert [d.path for d in content.embedded] == ["tokenizer.huggingface.json"]


@pytest.mark.parametrize("version", [0, 1, 4, 77])
def test_other_versions_are_named_and_refused(tmp_path: Path, version: int) -> None:
    assert f"GGUF version {version}" in refusal(made(tmp_path / "a.gguf", version=version))


HEADS = {
    "tensors promised": {"count": LARGE},
    "metadata entries promised": {"promised": LARGE},
    "truncated: it ends": {"promised": 9},
    "'general.architecture' stands twice": {"entries": [ARCHITECTURE]},
    "unknown kind 99": {"entries": [text("a") + struct.pack("<I", 99)]},
    "list of the unknown kind 13": {"entries": [text("a") + struct.pack("<IIQ", 9, 13, 0)]},
    "a list of 9223372036854775808 entries": {"entries": [text("a") + struct.pack("<IIQ", 9, 8, LARGE)]},
    "truncated: 36893488147419103232 bytes": {"entries": [text("a") + struct.pack("<IIQ", 9, 4, LARGE)]},
    "truncated: 9223372036854775808 bytes": {"entries": [struct.pack("<Q", LARGE)]},
    "a name of 2000 bytes": {"entries": [entry("k" * 2000, "I", 1)]},
    "its alignment is 0": {"entries": [entry("general.alignment", "I", 0)]},
    "its alignment is 24": {"entries": [entry("general.alignment", "I", 24)]},
}


@pytest.mark.parametrize("says", HEADS)
def test_a_head_that_cannot_be_is_refused(tmp_path: Path, says: str) -> None:
    answer = refusal(made(tmp_path / "a.gguf", **HEADS[says]))
    assert says in answer
    assert "damaged: " in answer or "truncated: " in answer


def test_lists_inside_lists_end(tmp_path: Path) -> None:
    deep = text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9
    assert "unknown kind 9" in refusal(made(tmp_path / "a.gguf", entries=[deep]))


# ---------------------------------------------------------------- tensors
def test_shapes_are_turned_round_and_scalars_have_none(tmp_path: Path) -> None:
    tensors = [tensor("a", [2, 3, 5]), tensor("b", [], at=128), tensor("c", [0, 4], at=160)]
    _, content = looked(made(tmp_path / "a.gguf", tensors, bytes(160)))
    assert [(t.shape, t.parameters, t.bytes) for t in content.tensors] == [
        ([2, 3, 5], 30, 120),
        ([], 1, 4),
        ([0, 4], 0, 0),
    ]
    assert content.risks == []


def test_the_alignment_counts(tmp_path: Path) -> None:
    tensors = [tensor("a", [2]), tensor("b", [2], at=8)]
    path = made(tmp_path / "a.gguf", tensors, bytes(16), [entry("general.alignment", "I", 8)], align=8)
    _, content = looked(path)
    assert content.tensors[1].at == path.stat().st_size - 8
    assert content.risks == []


def test_holes_and_what_follows_are_told(tmp_path: Path) -> None:
    tensors = [tensor("b", [8], at=96), tensor("a", [2])]
    _, content = looked(made(tmp_path / "a.gguf", tensors, bytes(200)))
    assert content.risks == [
        "64 bytes between its tensors belong to none of them, which llama.cpp refuses",
        "72 bytes follow its last tensor",
    ]


TENSORS = {
    "'b' overlaps the one before it": [tensor("a", [9]), tensor("b", [2], at=32)],
    "'b' begins at byte 36": [tensor("a", [9]), tensor("b", [2], at=36)],
    "truncated: 120 bytes of tensors promised, 64 there": [tensor("a", [30])],
    "'a' stands twice": [tensor("a", [2]), tensor("a", [2], at=32)],
    "'a' has 9 dimensions": [tensor("a", [1] * 9)],
    "rows of 33 numbers, and Q4_0 packs 32 together": [tensor("a", [2, 33], 2)],
    "'a' has the unknown type 256": [tensor("a", [2], 256)],
    "'a' has the shape [4294967296, 4294967296]": [tensor("a", [1 << 32, 1 << 32])],
    "'a' has the shape [0, 9223372036854775808]": [tensor("a", [0, LARGE])],
    "truncated: 9223372036854775816 bytes": [tensor("a", [2], at=LARGE)],
}


@pytest.mark.parametrize("says", TENSORS)
def test_tensors_that_cannot_be_are_refused(tmp_path: Path, says: str) -> None:
    answer = refusal(made(tmp_path / "a.gguf", TENSORS[says], bytes(64)))
    assert says in answer
    assert "damaged: " in answer or "truncated: " in answer


def test_types_of_forks_and_of_the_past_are_named(tmp_path: Path) -> None:
    tensors = [tensor("a", [32], 139), tensor("b", [32], 31, at=32), tensor("c", [2], 139, at=64)]
    _, content = looked(made(tmp_path / "a.gguf", tensors, bytes(100)))
    assert [(t.dtype, t.bytes) for t in content.tensors] == [
        ("ggml type 139", 32),
        ("Q4_0_4_4", 18),
        ("ggml type 139", 36),
    ]
    assert content.risks == [
        "type Q4_0_4_4 is one that llama.cpp no longer reads",
        "ggml type 139 is none up to 42: how its tensors are packed is not known",
    ]
    assert content.stretches == []


# ---------------------------------------------------------------- damage
def test_every_cut_ends_in_one_line(tmp_path: Path) -> None:
    data = (DATA / "split-00001-of-00002.gguf").read_bytes()
    read, refused = answers(tmp_path / "a.gguf", cut(data))
    # Only the 8 bytes that fill up the last tensor's place may be missing.
    assert (read, refused) == (8, len(data) - 9)


@pytest.mark.parametrize("name", ["split-00001-of-00002.gguf", "split-00002-of-00002.gguf", "big-endian.gguf"])
def test_flipped_bits_end_in_an_answer(tmp_path: Path, name: str) -> None:
    read, refused = answers(tmp_path / "a.gguf", flipped((DATA / name).read_bytes(), 1500, seed=7))
    assert read > 100
    assert refused > 100


def test_endless_lists_are_not_walked(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    size = MOST_ITEMS + 1
    head = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 8, size)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size * 8)
    assert f"lists of more than {MOST_ITEMS} entries" in refusal(path)


def test_a_large_vocabulary_takes_little_memory(tmp_path: Path) -> None:
    path = made(tmp_path / "a.gguf", entries=[entry("tokenizer.ggml.tokens", "[s", ["token"] * 150_000)])
    tracemalloc.start()
    _, content = looked(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert content.metadata["tokenizer.ggml.tokens"] == "[150000 strings]"
    assert peak < 4 << 20


def test_a_folder_or_another_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGML" + bytes(64))
    assert "no model format known here" in refusal(tmp_path / "a.gguf")
    made(tmp_path / "weights.bin")
    assert recognised(tmp_path / "weights.bin").name == "gguf"
