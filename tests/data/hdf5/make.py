"""Make the files of this folder, once, with the real libraries: pip install h5py keras tensorflow-cpu; python make.py

expected.json is what h5py itself says of them.
"""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import h5py
import keras
import numpy as np

HERE = Path(__file__).parent
DOUBLE = eval(compile("lambda x: x * 2", "make.py", "eval"))  # so that no path of this machine is in its bytecode


def plain(name: str, **how: object) -> None:
    """Write types, groups, layouts and attributes in a given version of the format."""
    with h5py.File(HERE / name, "w", **how) as file:
        file.attrs["backend"] = "made by hand"
        file.attrs["keras_version"] = np.bytes_("3.0")
        file.attrs["layer_names"] = ["b", "ü"]
        file.attrs["epochs"] = 7
        file.attrs["rates"] = np.array([0.5, 0.25], "f4")
        file.attrs["done"] = True
        file.attrs["odd"] = np.zeros(1, [("x", "i4"), ("y", "f8")])
        inner = file.create_group("block/attention")
        inner.attrs["name"] = "first"
        inner["half"] = np.arange(6, dtype="f2").reshape(2, 3)
        inner["long"] = np.arange(3, dtype="i8")
        inner["mask"] = np.array([True, False])
        inner["big"] = np.array([1, 2, 3], ">f4")
        inner["complex"] = np.array([1 + 2j], "c8")
        inner["scalar"] = np.float64(1.5)
        inner["brain"] = np.zeros(2, "u2")
        inner["brain"].attrs["dtype"] = "bfloat16"
        file["words"] = ["one", "two"]
        file["rows"] = np.zeros(2, [("x", "i4"), ("y", "f8")])
        file["empty"] = np.zeros((0, 3), "f4")
        file.create_dataset("unwritten", (2,), "f4")
        file.create_dataset("packed", data=np.ones((8, 8), "f4"), chunks=(4, 4), compression="gzip")
        file.create_dataset("chunked", data=np.ones((4, 4), "f4"), chunks=(2, 2))
        file["again"] = inner["half"]
        inside_header(file, b"compact")


def inside_header(file: h5py.File, name: bytes) -> None:
    """Write a tensor whose numbers lie in its own header."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(h5py.h5d.COMPACT)
    made = h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((5,)), how)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(5, dtype="f4"))


def dense() -> None:
    """Write more links and attributes than a header holds: they go to a fractal heap, a long one beside it."""
    with h5py.File(HERE / "dense.h5", "w", libver="latest") as file:
        for i in range(9):
            file[f"w{i}"] = np.full(2, i, "f4")
            file.attrs[f"a{i}"] = f"text {i}"
        file.attrs["long"] = np.bytes_("x" * 4200)


def outward() -> None:
    """Write everything that leads out of the file, or back into it."""
    with h5py.File(HERE / "outward.h5", "w", libver="latest") as file:
        file["w"] = np.ones(4, "f4")
        file["soft"] = h5py.SoftLink("/w")
        file["far"] = h5py.ExternalLink("../../etc/secret.h5", "/w")
        file["group/circle"] = file
        file.create_dataset("raw", (4,), "u1", external=[("/etc/passwd", 0, 4)])
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("/etc/other.h5", "w", (4,))
        file.create_virtual_dataset("virtual", layout)


def models() -> None:
    """Write a model with a layer that is Python code, in both of Keras' formats."""
    layers = [keras.layers.Input((4,), name="x"), keras.layers.Dense(2, name="d")]
    model = keras.Sequential([*layers, keras.layers.Lambda(DOUBLE, name="double")], name="small")
    model.compile(keras.optimizers.SGD(), "mse")
    model.fit(np.zeros((2, 4)), np.zeros((2, 2)), verbose=0)
    model.save(HERE / "model.keras")
    model.save(HERE / "model.h5")


def seen(data: bytes, start: int = 0) -> dict[str, object]:
    """Tell what h5py sees."""
    tensors: dict[str, object] = {}

    def note(group: h5py.Group, path: str) -> None:
        for name in group:
            if isinstance(group.get(name, getlink=True), h5py.HardLink):
                one, full = group[name], f"{path}{name}"
                if isinstance(one, h5py.Group) and one != group.file["/"]:
                    note(one, f"{full}/")
                elif isinstance(one, h5py.Dataset):
                    at = one.id.get_offset()
                    held = data[at : at + one.nbytes] if at else b""
                    sha256 = hashlib.sha256(held).hexdigest()[:16]
                    tensors[full] = {
                        "dtype": str(one.dtype),
                        "shape": one.shape,
                        "at": at and at + start,
                        "sha256": sha256,
                    }

    with h5py.File(io.BytesIO(data)) as file:
        note(file, "")
        texts = {name: value for name, value in file.attrs.items() if isinstance(value, str)}
    return {"tensors": tensors, "texts": texts}


plain("earliest.h5", libver="earliest")
plain("latest.h5", libver="latest")
dense()
outward()
models()
expected = {path.name: seen(path.read_bytes()) for path in sorted(HERE.glob("*.h5"))}
with zipfile.ZipFile(HERE / "model.keras") as archive:
    inner = archive.read("model.weights.h5")
expected["model.keras"] = seen(inner, (HERE / "model.keras").read_bytes().index(inner))
(HERE / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")
