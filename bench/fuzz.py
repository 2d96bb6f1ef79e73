"""Fuzz every reader of a format for a while: any end but an answer or one clear refusal is a find, and is kept.

Needs atheris beside assay's own dependencies. Each reader runs in a process of its own, led by coverage from the
fixtures of the tests; packed formats are also fuzzed from inside, where a checksum would stop most changes outside.
"""

import argparse
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "tests" / "data"
SLOWEST, MOST_MEMORY, LONGEST = 10, 1024, 1 << 16  # seconds, MiB, bytes of an input
Wrap = Callable[[bytes], "dict[str, bytes]"]  # the files that an input becomes; the first one is the checkpoint


def alone(name: str) -> Wrap:
    """Take the input as the file."""
    return lambda data: {name: data}


def inside(outer: str, member: str) -> Wrap:
    """Take the input as one member of an archive that is whole otherwise."""
    with zipfile.ZipFile(DATA / outer) as archive:
        kept = {n: archive.read(n) for n in archive.namelist()}
    inner = next(n for n in kept if n.endswith(member))

    def wrap(data: bytes) -> "dict[str, bytes]":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in kept.items():
                archive.writestr(name, data if name == inner else content)
        return {outer.rpartition("/")[2]: buffer.getvalue()}

    return wrap


def folder(data: bytes) -> "dict[str, bytes]":
    """Take the input as the files of a model folder: config, index and weights, parted by a line of dashes."""
    config, index, weights = [*data.split(b"\n--\n", 2), b"", b""][:3]
    return {"config.json": config, "model.safetensors.index.json": index, "model.safetensors": weights}


SAFETENSORS = b"\x3c\0\0\0\0\0\0\0" + b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}      ' + bytes(8)
CONFIG = b'{"model_type":"vit","id2label":{"0":"a"}}\n--\n{"weight_map":{"w":"model.safetensors"}}\n--\n' + SAFETENSORS
TARGETS: "dict[str, tuple[Wrap, list[bytes | pathlib.Path]]]" = {
    "torch-zip": (alone("a.pt"), [*DATA.glob("torch/*.pt")]),
    "torch-zip inside": (inside("torch/state.pt", "data.pkl"), []),
    "torch-legacy": (alone("a.pth"), [*DATA.glob("torch/*.pth")]),
    "pickle": (alone("a.pkl"), [*DATA.glob("torch/*.pkl"), *DATA.glob("pickle/*.joblib")]),
    "torchscript inside": (inside("torch/script.pt", "container.py"), []),
    "torchscript objects": (inside("torch/script.pt", "data.pkl"), []),
    "pt2 inside": (inside("torch/program.pt2", "models/model.json"), []),
    "pt2 weights": (inside("torch/program.pt2", "model_weights_config.json"), []),
    "safetensors": (alone("a.safetensors"), [SAFETENSORS]),
    "onnx": (alone("a.onnx"), [*REPOSITORY.glob("examples/digits/*.onnx")]),
    "npy": (alone("a.npy"), [b"\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + b" " * 60]),
    "gguf": (alone("a.gguf"), [*DATA.glob("gguf/*.gguf")]),
    "tflite": (alone("a.tflite"), [*DATA.glob("tflite/*.tflite")]),
    "openvino": (alone("a.xml"), [*DATA.glob("openvino/*.xml")]),
    "hdf5": (alone("a.h5"), [*DATA.glob("hdf5/*.h5")]),
    "keras inside": (inside("hdf5/model.keras", "config.json"), []),
    "tensorrt": (alone("a.engine"), [b'\x0e\0\0\0{"stride": 32}ftrt' + bytes(64)]),
    "huggingface": (folder, [CONFIG]),
}


def main() -> None:
    """Fuzz each target in a process of its own, and say what was found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("targets", nargs="*", help="which ones; all of them when none is named")
    options.add_argument("--seconds", type=int, default=60, help="for each")
    options.add_argument("--kept", default="tmp/fuzz", help="where corpus and finds are left")
    options.add_argument("--one", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.one:
        fuzz(asked.one, pathlib.Path(asked.kept), asked.seconds)
        return
    print("| reader | seconds | inputs | finds |\n|---|---|---|---|", flush=True)
    for name in asked.targets or TARGETS:
        kept = pathlib.Path(asked.kept).resolve() / name.replace(" ", "-")
        print(f"| {name} | {asked.seconds} | {' | '.join(fuzzed(name, kept, asked.seconds))} |", flush=True)


def fuzzed(name: str, kept: pathlib.Path, seconds: int) -> "tuple[str, str]":
    """Run one target; give how many inputs it tried and what it found."""
    seed(name, kept / "corpus")
    command = [sys.executable, __file__, "--one", name, "--kept", str(kept), "--seconds", str(seconds)]
    with open(kept / "log", "wb") as log:
        subprocess.run(command, stdout=log, stderr=log, cwd=kept, check=False)
    text = (kept / "log").read_text("utf-8", "replace")
    tried = [line.split()[1] for line in text.splitlines() if line.startswith("Done ")]
    finds = [p.name for p in kept.iterdir() if p.name.startswith(("crash-", "timeout-", "oom-"))]
    return (tried[0] if tried else "?"), ", ".join(finds) or "none"


def seed(name: str, corpus: pathlib.Path) -> None:
    """Lay the fixtures out as the corpus to begin with."""
    corpus.mkdir(parents=True, exist_ok=True)
    given = TARGETS[name][1] or [member(name)]
    for i, one in enumerate(given):
        (corpus / f"seed-{i}").write_bytes(one if isinstance(one, bytes) else one.read_bytes())


def member(name: str) -> bytes:
    """Take the archive's own member as the beginning."""
    outer, inner = {
        "torch-zip inside": ("torch/kinds.pt", "data.pkl"),
        "torchscript inside": ("torch/script.pt", "container.py"),
        "torchscript objects": ("torch/script.pt", "data.pkl"),
        "pt2 inside": ("torch/program.pt2", "models/model.json"),
        "pt2 weights": ("torch/program.pt2", "model_weights_config.json"),
        "keras inside": ("hdf5/model.keras", "config.json"),
    }[name]
    with zipfile.ZipFile(DATA / outer) as archive:
        return archive.read(next(n for n in archive.namelist() if n.endswith(inner)))


def fuzz(name: str, kept: pathlib.Path, seconds: int) -> None:
    """Hand inputs to the reader until the time is over or something else than an answer comes back."""
    import atheris

    sys.path.insert(0, str(REPOSITORY / "lib"))
    with atheris.instrument_imports(include=["assay.formats", "assay.examination"]):
        from assay.canonical import dumps
        from assay.digests import Digests
        from assay.errors import WrongInput
        from assay.examination import Examination
        from assay.records import to_json
    wrap = TARGETS[name][0]
    place = pathlib.Path(tempfile.mkdtemp(prefix="assay-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    shutil.copy(DATA / "openvino/tiny.bin", place / "a.bin")

    def once(data: bytes) -> None:
        files = wrap(data)
        for file, content in files.items():
            (place / file).write_bytes(content)
        path = place if len(files) > 1 else place / next(iter(files))
        try:
            found = Examination(path).record(Digests(), {})
        except WrongInput as fault:
            assert str(fault).isprintable(), "a refusal of more than one line"
        else:
            dumps(to_json(found)).encode()

    flags = [f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MOST_MEMORY}", f"-max_len={LONGEST}"]
    if name == "huggingface":
        (place / "a.bin").unlink()
    atheris.Setup(["fuzz", *flags, str(kept / "corpus")], once)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
