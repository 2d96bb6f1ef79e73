"""OpenVINO models against what OpenVINO says, against damage, and against files that lie."""

import hashlib
import json
import os
import re
import shutil
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assay.digests import Digests
from assay.examination import Examination
from assay.formats.openvino import TYPES
from assay.formats.openvino_xml import DEEPEST, LONGEST, LONGEST_TAG, MOST_ELEMENTS
from looked import looked, recognised, refusal
from mangled import answers, cut, flipped

DATA = Path(__file__).parents[2] / "data" / "openvino"
EXPECTED = json.loads((DATA / "expected.json").read_text())
REAL = sorted(EXPECTED)


def port(side: str, shape: str = "", precision: str = "FP32", names: str = "", number: int = 0) -> str:
    sizes = "".join(f"<dim>{size}</dim>" for size in shape.split(",") if size)
    named = f' names="{names}"' if names else ""
    return f'<{side}><port id="{number}" precision="{precision}"{named}>{sizes}</port></{side}>'


def layer(number: int, kind: str, inside: str = "", name: str = "", version: str = "opset1", more: str = "") -> str:
    return f'<layer id="{number}" name="{name or kind}" type="{kind}" version="{version}" {more}>{inside}</layer>'


def constant(number: int, shape: str = "2", at: object = 0, size: object = 8, kind: str = "f32") -> str:
    data = f'<data element_type="{kind}" shape="{shape}" offset="{at}" size="{size}"/>'
    return layer(number, "Const", data + port("output", shape), name=f"c{number}")


def parameter(shape: str, kind: str = "f32") -> str:
    data = f'<data shape="{shape}" element_type="{kind}"/>'
    return layer(0, "Parameter", data + port("output", names="x"))


def made(path: Path, *layers: str, more: str = "", version: str = "11", before: str = "", numbers: int = 0) -> Path:
    body = f'<net name="m" version="{version}"><layers>{"".join(layers)}</layers>{more}</net>'
    path.write_text(f'<?xml version="1.0"?>{before}{body}')
    if numbers:
        path.with_suffix(".bin").write_bytes(bytes(numbers))
    return path


# ---------------------------------------------------------------- what OpenVINO reads
@pytest.mark.parametrize("name", REAL)
def test_inputs_and_outputs_are_those_that_openvino_sees(name: str) -> None:
    form, content = looked(DATA / name)
    assert (form.name, content.risks, content.cannot) == ("openvino", [], [])
    assert content.graph is not None
    for field in ("inputs", "outputs"):
        found, expected = getattr(content.graph, field), EXPECTED[name][field]
        assert len(found) == len(expected)
        for one, truth in zip(found, expected):
            assert one.name in truth["names"]
            assert one.dtype == TYPES[truth["type"]][0]
            assert one.shape == [int(size) if size.isdigit() else None for size in truth["shape"]]


@pytest.mark.parametrize("name", REAL)
def test_constants_lie_where_openvino_finds_them(name: str) -> None:
    _, content = looked(DATA / name)
    data = (DATA / name).with_suffix(".bin").read_bytes()
    assert {t.file for t in content.tensors} == set(content.external) == {name.replace(".xml", ".bin")}
    found = {
        t.name: {"shape": t.shape, "bytes": t.bytes, "sha256": hashlib.sha256(data[t.at : t.at + t.bytes]).hexdigest()}
        for t in content.tensors
        if t.at is not None
    }
    assert found == {t["name"]: {k: t[k] for k in ("shape", "bytes", "sha256")} for t in EXPECTED[name]["constants"]}
    kinds = {t.name: t.dtype for t in content.tensors}
    assert kinds == {t["name"]: TYPES[t["type"]][0] for t in EXPECTED[name]["constants"]}


@pytest.mark.parametrize("name", ["tiny.xml", "ir10.xml", "kinds.xml"])
def test_layers_are_counted_as_openvino_counts_them(name: str) -> None:
    _, content = looked(DATA / name)
    assert content.graph is not None
    assert content.graph.ops == {
        {"Constant": "Const", "Relu": "ReLU"}.get(kind, kind): count for kind, count in EXPECTED[name]["layers"].items()
    }
    assert content.graph.nodes == sum(content.graph.ops.values())
    assert content.graph.ir_version == (10 if name == "ir10.xml" else 11)


def test_ranges_labels_and_what_wrote_it(tmp_path: Path) -> None:
    _, content = looked(DATA / "tiny.xml")
    assert content.graph is not None
    assert content.graph.ranges == {"image[0]": "1..8"}
    assert content.labels == ["cat", "dog", "great_white_shark"]
    told = """<rt_info><Runtime_version value="2026.1"/><framework><names value="{0: 'a', 1: 'b'}"/></framework>
        <info name="OpenVINO Runtime" value="2026.2"/><empty/></rt_info>"""
    _, content = looked(made(tmp_path / "a.xml", more=told))
    assert content.graph is not None
    assert (content.graph.producer, content.labels) == ("OpenVINO 2026.1", ["a", "b"])
    assert content.metadata["OpenVINO Runtime"] == "2026.2"
    old = '<meta_data><MO_version value="2021.4"/><cli_parameters><input value="x"/></cli_parameters></meta_data>'
    _, content = looked(made(tmp_path / "a.xml", more=old, version="10"))
    assert content.metadata == {"MO_version": "2021.4", "cli_parameters.input": "x"}


def test_shared_and_packed_constants() -> None:
    _, content = looked(DATA / "kinds.xml")
    assert [sorted(names) for names in content.shared] == [["once", "twice"]]
    packed = {"uint1", "uint2", "uint3", "uint4", "uint6", "int4", "nf4", "float4e2m1"}
    reasons = {f"{kind} does not fill whole bytes" for kind in packed}
    assert set(content.unchecked) <= {*reasons, "on the bytes of a tensor of another type"}
    assert "uint1 does not fill whole bytes" in content.unchecked
    assert content.quantised == sorted(content.quantised)
    assert {"int4: 1 constant", "uint8: 1 constant", "float8e4m3fn: 1 constant"} <= set(content.quantised)


def test_a_loop_keeps_its_inputs_to_itself() -> None:
    _, content = looked(DATA / "loop.xml")
    assert content.graph is not None
    assert [t.name for t in content.graph.inputs] == ["x"]
    assert content.graph.ops["Parameter"] == 2
    assert "step" in {t.name for t in content.tensors}


def test_numbers_are_looked_at_in_the_bin(tmp_path: Path) -> None:
    for part in ("tiny.xml", "tiny.bin"):
        shutil.copy(DATA / part, tmp_path)
    path = tmp_path / "tiny.bin"
    data = bytearray(path.read_bytes())
    struct.pack_into("<f", data, 100, float("nan"))
    path.write_bytes(data)
    record = Examination(tmp_path / "tiny.xml").record(Digests(), {})
    assert record.values is not None
    assert (record.values.checked, record.values.nonfinite) == (48, {"bias": 1})
    assert [f.path for f in record.files] == ["tiny.xml", "tiny.bin"]


# ---------------------------------------------------------------- shapes and layers
SHAPES: dict[str, tuple[Any, dict[str, str]]] = {
    "": ([], {}), "1,3": ([1, 3], {}), "?,3,-1": ([None, 3, None], {}), "...": (None, {}), "1,...,3": (None, {}),
    "1..8,2..,..4": ([None] * 3, {"x[0]": "1..8", "x[1]": "2..", "x[2]": "..4"}),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_way_to_write_a_shape(tmp_path: Path, shape: str) -> None:
    _, content = looked(made(tmp_path / "a.xml", parameter(shape)))
    assert content.graph is not None
    assert (content.graph.inputs[0].shape, content.graph.ranges) == SHAPES[shape]


def test_names_hold_commas_and_outputs_are_called_as_what_leads_to_them(tmp_path: Path) -> None:
    relu = layer(1, "ReLU", port("output", "?", names="a\\, b,c", number=3))
    edge = '<edges><edge from-layer="1" from-port="3" to-layer="2" to-port="0"/></edges>'
    result = layer(2, "Result", port("input", "-1,3", "I64"), name="r")
    _, content = looked(made(tmp_path / "a.xml", relu, result, more=edge))
    assert content.graph is not None
    (out,) = content.graph.outputs
    assert (out.name, out.dtype, out.shape) == ("a, b", "int64", [None, 3])
    named = layer(2, "Result", port("input", precision="new"), name="r", more='output_names="y,z"')
    _, content = looked(made(tmp_path / "a.xml", relu, named))
    assert content.graph is not None
    (out,) = content.graph.outputs
    assert (out.name, out.dtype, out.shape) == ("y", "unknown", None)


def test_layers_of_others_need_a_library(tmp_path: Path) -> None:
    layers = [
        layer(1, "Mine", version="mine"), layer(2, "Tokenizer", version="extension"), layer(3, "Bare", version=""),
        layer(4, "Proposal", version="extension"), layer(5, "ReLU", version="opset99"),
        layer(6, "Other", '<data library="lib/evil.so"/>'), layer(7, "More", more='library="more.so"'),
    ]  # fmt: skip
    _, content = looked(made(tmp_path / "a.xml", *layers))
    assert content.graph is not None
    assert content.graph.custom_ops == ["Bare", "extension::Tokenizer", "mine::Mine"]
    assert content.cannot[1] == "operator extension::Tokenizer needs a library of its own"
    assert content.risks == [
        "layer Other names a library: lib/evil.so",
        "layer More names a library: more.so",
        "operator set 99 is newer than any known here (17)",
    ]


def test_constants_on_each_other_are_told(tmp_path: Path) -> None:
    layers = [constant(1), constant(2, "1", kind="i64"), constant(3, "2", at=4), constant(4, "1", 12, 4, "i8")]
    _, content = looked(made(tmp_path / "a.xml", *layers, numbers=16))
    assert [s.names for s in content.stretches] == [["c1"], ["c4"]]
    assert content.unchecked["on the bytes of a tensor of another type"] == 1
    assert content.risks == ["1 of its tensors lie on some of the bytes that other tensors lie on"]
    assert content.tensors[3].bytes == 1
    _, content = looked(made(tmp_path / "a.xml", constant(1, "0", size=0)))
    assert (content.external, content.tensors[0].at) == ([], None)


# ---------------------------------------------------------------- the .bin
def test_the_bin_must_be_there_whole_and_here(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path, numbers = made(folder / "a.xml", constant(1)), folder / "a.bin"
    assert "its external data file a.bin is missing; put it beside the model" in refusal(path)
    numbers.write_bytes(bytes(7))
    assert "truncated: tensor 'c1' ends at byte 8 of a.bin, which has 7" in refusal(path)
    numbers.unlink()
    numbers.mkdir()
    assert "a.bin is not a regular file" in refusal(path)
    numbers.rmdir()
    os.mkfifo(numbers)
    assert "a.bin is not a regular file" in refusal(path)
    numbers.unlink()
    (tmp_path / "elsewhere").write_bytes(bytes(8))
    numbers.symlink_to(tmp_path / "elsewhere")
    assert "lies outside the model's folder" in refusal(path)
    numbers.unlink()
    numbers.symlink_to("a.xml")
    assert "names itself" in refusal(path)


BAD = {
    "constant 'c1': needs 8 bytes, 7 promised": constant(1, size=7),
    "constant 'c1': offset '-1', not a number": constant(1, at=-1),
    "constant 'c1': size '1e3', not a number": constant(1, size="1e3"),
    "constant 'c1': dimension '2x', not a number": constant(1, "2x"),
    "truncated: tensor 'c1' ends at byte 100000000000000007": constant(1, at=99999999999999999),
    "constant 'c1': too many numbers": constant(1, "4000000000,4000000000", size=999999999999999999),
    "constant 'c1': has 65 dimensions": constant(1, ",".join(["1"] * 65)),
    "'x' has 2000000 dimensions": parameter("1," * 1_999_999 + "1"),
    "an output of 65 dimensions": layer(2, "Result", port("input", "1," * 65)),
    "more than 10000 kinds of layers": "".join(layer(i, f"kind{i}") for i in range(10_001)),
    "constant 'Const': offset '', not a number": layer(1, "Const"),
    "'x' has the dimension '1.8', not a number": parameter("1.8"),
    "has the dimension '٣'": parameter("٣"),
    "has the dimension '9999999999999999999'": parameter("0,9999999999999999999"),
}


@pytest.mark.parametrize("says", BAD)
def test_constants_and_shapes_that_cannot_be_are_refused(tmp_path: Path, says: str) -> None:
    assert says in refusal(made(tmp_path / "a.xml", BAD[says], numbers=16))


# ---------------------------------------------------------------- XML
@pytest.mark.parametrize("version", ["", "7", "9", "12", "11.0", "x" * 100])
def test_other_versions_are_named_and_refused(tmp_path: Path, version: str) -> None:
    answer = refusal(made(tmp_path / "a.xml", layer(1, "Input"), version=version))
    assert f"is IR version {version[:20] or 'unknown'}: 10 and 11 are read; export it again" in answer


DOCTYPES = (
    "<!DOCTYPE net>",
    '<!DOCTYPE net SYSTEM "http://localhost/x.dtd">',
    '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
    '<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
)


@pytest.mark.parametrize("before", DOCTYPES)
def test_a_document_type_is_refused(tmp_path: Path, before: str) -> None:
    assert "declares a document type" in refusal(made(tmp_path / "a.xml", parameter("1"), before=before))


def test_what_is_no_xml_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xml", parameter("1"))
    text = path.read_text()
    for changed, says in (
        (text.replace('name="m"', 'name="&evil;"'), "undefined entity"),
        (text.replace("</net>", "</Net>"), "mismatched tag"),
        (text.replace("</net>", ""), "truncated: its XML cannot be read (line 1: no element found)"),
        (text + "<more/>", "junk after document element"),
        (text.replace('name="m"', 'name="m" name="n"'), "duplicate attribute"),
        (text.replace('name="m"', 'name="\0"'), "damaged: its XML cannot be read"),
        (
            text.replace("net", "Net").replace("<layers>", "<layers><net >").replace("</layers>", "</net></layers>"),
            "IR version",
        ),
    ):
        path.write_text(changed)
        assert says in refusal(path)


def test_names_that_are_no_utf8_are_replaced(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xml", parameter("1"))
    path.write_bytes(
        path.read_bytes().replace(b'names="x"', b'names="caf\xe9"').replace(b"?>", b' encoding="latin-1"?>')
    )
    _, content = looked(path)
    assert content.graph is not None
    assert content.graph.inputs[0].name == "caf\ufffd"


def test_deep_wide_and_long_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    limit = f"more than {MOST_ELEMENTS} elements, or more than {DEEPEST} in each other"
    assert limit in refusal(made(path, "<a>" * 100_000))
    assert limit in refusal(made(path, "<a/>" * (MOST_ELEMENTS + 1)))
    assert f"a tag of more than {LONGEST_TAG} bytes" in refusal(made(path, f'<a b="{"c" * 3 * LONGEST_TAG}"/>'))
    made(path, parameter("1"))
    with path.open("ab") as file:
        file.truncate(LONGEST + 1)
    assert f"{LONGEST} are read at most" in refusal(path)


def test_much_metadata_stays_small(tmp_path: Path) -> None:
    told = "".join(f'<k{i} value="{"v" * 3000}"/>' for i in range(2000))
    path = made(tmp_path / "a.xml", more=f'<rt_info>{told}<long value="{"v" * 70_000}"/></rt_info>')
    tracemalloc.start()
    _, content = looked(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(content.metadata) == 1000
    assert content.metadata["k999"] == "(left out: 3000 characters)"
    assert peak < 8 << 20


# ---------------------------------------------------------------- damage
def test_every_cut_ends_in_one_line(tmp_path: Path) -> None:
    result = layer(2, "Result", port("input", "2"))
    path = made(tmp_path / "a.xml", parameter("2"), constant(1), result, numbers=8)
    data = path.read_bytes() + b"\n"
    # A line break is all that may be missing.
    assert answers(path, cut(data)) == (1, len(data) - 2)


@pytest.mark.parametrize("name", ["tiny", "loop"])
def test_flipped_bits_end_in_an_answer(tmp_path: Path, name: str) -> None:
    shutil.copy(DATA / f"{name}.bin", tmp_path / "a.bin")
    read, refused = answers(tmp_path / "a.xml", flipped((DATA / f"{name}.xml").read_bytes(), 1500, seed=13))
    assert min(read, refused) > 50


def test_other_xml_is_no_model(tmp_path: Path) -> None:
    path = made(tmp_path / "weights.txt", parameter("1"))
    assert recognised(path).name == "openvino"
    path.write_text(re.sub("net", "web", path.read_text()))
    assert "no model format known here" in refusal(path)
