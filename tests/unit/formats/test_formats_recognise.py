"""Recognising by content: every kind made on the spot, and what is often found in its place."""

import json
import os
import pickle
import socket
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from assay.errors import WrongInput
from assay.formats.opening import opened
from assay.formats.tree import folder_digest, members
from looked import looked, recognised, refusal


def made(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tensors(header: dict[str, object], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


ONE = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
STATE = pickle.dumps({"w": [1.0]}, protocol=2)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.safetensors", tensors(ONE, b"\0" * 8), "safetensors"),
        ("a.pkl", STATE, "pickle"),
        ("a.pkl", pickle.dumps({"w": [1.0, 2.0]}, protocol=0), "pickle"),
        ("a.gguf", b"GGUF\3\0\0\0" + b"\1" * 64, "gguf"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\1" * 64, "hdf5"),
        ("a.tflite", b"\x1c\0\0\0TFL3" + b"\1" * 64, "tflite"),
        ("a.npy", b"\x93NUMPY\1\0v\0" + b" " * 118, "npy"),
        ("a.engine", b"ftrt" + b"\1" * 64, "tensorrt"),
        ("a.engine", struct.pack("<I", 14) + b'{"stride": 32}' + b"ftrt" + b"\1" * 64, "tensorrt"),
        ("a.xml", b'<?xml version="1.0"?>\n<net name="m" version="11">\n<layers>', "openvino"),
        ("a.pth", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + STATE, "torch-legacy"),
        ("a.onnx", b"\x08\x08\x12\x01x\x3a\x00", "onnx"),
    ],
)
def test_recognised_by_content(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    found = recognised(made(tmp_path / name, data))
    assert found.name == expected
    assert found.runs_here == (expected == "onnx")
    assert bool(found.needs) != found.runs_here


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"archive/data.pkl": STATE, "archive/data/0": b"\0" * 8}, "torch-zip"),
        ({"m/data.pkl": STATE, "m/code/__torch__.py": b"", "m/constants.pkl": b""}, "torchscript"),
        ({"m/archive_format": b"pt2", "m/models/model.json": b"{}"}, "pt2"),
        ({"serialized_exported_program.json": b"{}", "version": b"1"}, "pt2"),
        ({"x.npy": b"", "y.npy": b""}, "npz"),
        ({"config.json": b"{}", "model.weights.h5": b"x"}, "keras"),
    ],
)
def test_zips_are_told_apart_by_their_members(tmp_path: Path, members: dict[str, bytes], expected: str) -> None:
    assert recognised(zipped(tmp_path / "model", members)).name == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.ONNX", "its name says onnx, its bytes are a bare pickle"),
        ("model.safetensors", "its name says safetensors, its bytes are a bare pickle"),
        ("model.data", "its bytes are a bare pickle, which its name does not say"),
        ("model", "its bytes are a bare pickle, which its name does not say"),
        ("model.bin", ""),
        ("model.pt", ""),
    ],
)
def test_a_name_that_says_something_else_is_an_error_of_both(tmp_path: Path, name: str, said: str) -> None:
    assert refusal(made(tmp_path / name, STATE)) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\0" * 5000, "zero bytes"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "Git LFS pointer of 63 bytes, not the weights",
        ),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b"\x1f\x8b\x08" + b"\1" * 20, "gzip"),
        (b"7z\xbc\xaf\x27\x1c" + b"\1" * 20, "7z"),
        (b"import torch\n" * 40, "no model format known here"),
        (b"\x89PNG\r\n\x1a\n" + b"\1" * 20, "PNG"),
        (b"GIF89a" + b"\1" * 20, "GIF"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + b"\1" * 20, "WebP"),
        (b"\xcf\xfa\xed\xfe" + b"\1" * 20, "Mach-O"),
        (tensors(ONE, b"\0" * 8)[:-3], "truncated: 8 bytes of tensors promised, 5 there"),
        (tensors(ONE, b"\0" * 9), "1 bytes follow the last tensor"),
        (struct.pack("<Q", 900) + b'{"w":', "truncated: a header of 900 bytes promised, 5 there"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(WrongInput) as caught:
        looked(made(tmp_path / "model.bin", data))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.mend


def test_a_pointer_says_how_to_get_the_weights(tmp_path: Path) -> None:
    path = made(tmp_path / "a.pt", b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WrongInput, match=r"run `git lfs pull` where it came from"):
        recognised(path)


def test_a_tar_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.pt", "w") as archive:
        archive.add(__file__, "x")
    with pytest.raises(WrongInput, match="tar archive"):
        recognised(tmp_path / "a.pt")


def test_a_cut_zip_is_named(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.pt", {"archive/data.pkl": STATE}).read_bytes()
    with pytest.raises(WrongInput, match="truncated"):
        recognised(made(tmp_path / "b.pt", whole[:-30]))


def test_archives_that_readers_disagree_about_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", STATE)
        archive.writestr("a/data.pkl", STATE)
    with pytest.raises(WrongInput, match="twice"):
        recognised(tmp_path / "a.pt")
    zipped(tmp_path / "b.pt", {"a/data.pkl": STATE, "../x": b""})
    with pytest.raises(WrongInput, match="leads out"):
        recognised(tmp_path / "b.pt")


def test_odd_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    expected = {
        "fifo": "FIFO", "socket": "socket", "zero": "character device", "loop": "back to itself", "gone": "not there",
        "missing": "no such file", "folder": "holds no file", "a\0b": "usable",
    }  # fmt: skip
    for name, said in expected.items():
        with pytest.raises(WrongInput, match=said):
            recognised(tmp_path / name)
    listener.close()
    with pytest.raises(WrongInput, match="is a folder"):
        opened(tmp_path / "folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.pt", STATE)
    path.chmod(0)
    with pytest.raises(WrongInput, match="permission denied"):
        recognised(path)


def test_a_sparse_file_is_refused_at_once(tmp_path: Path) -> None:
    with open(tmp_path / "a.onnx", "wb") as file:
        file.truncate(6 << 30)
    with pytest.raises(WrongInput, match="zero bytes"):
        recognised(tmp_path / "a.onnx")


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(WrongInput) as caught:
        recognised(made(tmp_path / "a\nb\x1b[31m.pt", b"\0" * 9))
    assert str(caught.value).isprintable()


def test_a_folder_of_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit", "auto_map": {"AutoModel": "x.Y"}}')
    made(tmp_path / "model.safetensors", tensors(ONE, b"\0" * 8))
    made(tmp_path / "modeling_x.py", b"")
    made(tmp_path / "pytorch_model.bin", STATE)
    found = recognised(tmp_path)
    assert (found.name, found.runs_here) == ("huggingface", False)
    assert [name for name, _ in members(tmp_path)] == [
        "config.json", "model.safetensors", "modeling_x.py", "pytorch_model.bin",
    ]  # fmt: skip
    _, content = looked(tmp_path)
    assert content.trust == ["config.json asks for code of its own (auto_map)"]
    assert [risk.split()[0] for risk in content.risks] == ["pytorch_model.bin", "modeling_x.py"]
    assert [(row.name, row.where) for row in content.code] == [("x.Y", "config.json")]


def test_a_folder_cloned_without_its_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    made(tmp_path / "model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(WrongInput, match=r"model\.safetensors: this is a Git LFS pointer"):
        recognised(tmp_path)


def test_a_folder_keeps_to_itself(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "vit"}')
    (folder / "weights.bin").symlink_to(made(tmp_path / "elsewhere.bin", STATE))
    with pytest.raises(WrongInput, match="leaves the model's folder"):
        members(folder)
    (folder / "weights.bin").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../elsewhere.bin"}}')
    with pytest.raises(WrongInput, match="not in the folder"):
        looked(folder)


def test_a_folder_digest_knows_names_and_contents() -> None:
    one = folder_digest([("a", "0"), ("b", "1")])
    assert one == folder_digest([("b", "1"), ("a", "0")])
    assert one != folder_digest([("a", "1"), ("b", "0")])
