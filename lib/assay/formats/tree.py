"""A checkpoint as a list of files: one file, or a folder of them."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from assay.errors import WrongInput
from assay.formats import wrong
from assay.formats.opening import opened, real, shown

MOST_FILES = 10_000
CONFIG_READ = 16 << 20
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".h5", ".gguf", ".msgpack", ".pb")
# Left by tools, not part of a model.
IGNORED = {".git", "__pycache__", ".cache"}


def members(path: Path, external: Sequence[str] = ()) -> "list[tuple[str, Path]]":
    """List a checkpoint's files: name inside the checkpoint, and where it lies; a model's external data comes along."""
    if not os.path.isdir(real(path)):
        return [(path.name, path), *((name, path.parent / name) for name in sorted(set(external)))]
    found = sorted(_walk(path, os.path.realpath(path)))
    if not found:
        raise WrongInput("the folder holds no file", where=shown(path), mend="name the folder that holds the weights")
    return found


def folder_digest(digests: "Iterable[tuple[str, str]]") -> str:
    """Digest a folder from its files' names and digests."""
    total = hashlib.sha256()
    for name, digest in sorted(digests):
        total.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _walk(folder: Path, root: str) -> "list[tuple[str, Path]]":
    found: list[tuple[str, Path]] = []
    waiting = [folder]
    while waiting:
        for name, path, is_folder in _entries(waiting.pop(), root):
            if is_folder:
                waiting.append(path)
            elif name not in IGNORED:
                found.append((path.relative_to(folder).as_posix(), path))
            if len(found) > MOST_FILES:
                what = f"holds more than {MOST_FILES} files"
                raise WrongInput(what, where=shown(folder), mend="name the folder that holds only the model")
    return found


def _entries(folder: Path, root: str) -> "list[tuple[str, Path, bool]]":
    found = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise WrongInput(f"cannot be listed: {reason}", where=shown(folder)) from None
    for entry in entries:
        path = folder / entry.name
        if entry.is_symlink():
            _refuse_leaving(path, root)
        if entry.is_dir(follow_symlinks=True):
            if entry.is_symlink():
                what = "is a link to a folder, which is not followed"
                raise WrongInput(what, where=shown(path), mend="put the files themselves there")
            if entry.name not in IGNORED:
                found.append((entry.name, path, True))
        elif entry.is_file(follow_symlinks=True):
            found.append((entry.name, path, False))
        else:
            raise WrongInput("is not a regular file", where=shown(path), mend="remove it from the model's folder")
    return found


def _refuse_leaving(path: Path, root: str) -> None:
    target = os.fspath(real(path))
    if os.path.commonpath([root, target]) != root:
        what = "is a link that leaves the model's folder"
        raise WrongInput(what, where=shown(path), mend="put the file itself there (cp -L)")


def recognise_folder(path: Path) -> "tuple[str, str]":
    """Say which kind of model a folder holds."""
    found = members(path)
    names = {name for name, _ in found}
    for name, place in found:
        if name.endswith(WEIGHTS) and place.stat().st_size < 1024:
            _refuse_pointer(place)
    if "model_index.json" in names:
        return "huggingface", "folder with model_index.json"
    if "saved_model.pb" in names:
        return "savedmodel", "folder with saved_model.pb"
    if "config.json" in names:
        for index in sorted(name for name in names if name.endswith(".index.json")):
            _check_index(path, index, names)
        config = _config(path / "config.json")
        if isinstance(config, dict) and {"model_type", "architectures", "auto_map"} & config.keys():
            return "huggingface", "folder with a config.json that names a model type"
        weights = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "tf_model.h5")
        if names & set(weights):
            return "huggingface", "folder with config.json and weights"
    what = "is a folder, and of no model kind known here"
    raise WrongInput(what, where=shown(path), mend="name the file in it that holds the weights")


def _refuse_pointer(path: Path) -> None:
    """Refuse a folder that was cloned without its weights."""
    with opened(path) as file:
        head = file.read(1024)
    wrong.refuse(path, head, len(head))


def _check_index(path: Path, index: str, names: "set[str]") -> None:
    """Refuse an index of weights that names files which are not there or lie elsewhere."""
    content = _config(path / index)
    weights = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
        raise WrongInput("its weight_map is not a list of files", where=shown(path / index), mend="fetch it again")
    for name in sorted(set(weights.values()) - names):
        what = f"names {shown(name[:200])}, which is not in the folder"
        raise WrongInput(what, where=shown(path / index), mend="fetch the missing file into the folder")


def _config(path: Path) -> object:
    with opened(path) as file:
        text = file.read(CONFIG_READ + 1)
    if len(text) > CONFIG_READ:
        raise WrongInput(f"is longer than {CONFIG_READ} bytes", where=shown(path), mend="fetch it again")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise WrongInput("is not JSON that can be read", where=shown(path), mend="fetch it again") from None


def folder_risks(path: Path) -> "list[str]":
    """Name what is risky about a model folder."""
    names = [name for name, _ in members(path)]
    risks = [f"{name} is a pickle, which can run any code when loaded" for name in names if _is_pickle_name(name)]
    config = _config(path / "config.json") if "config.json" in names else None
    if isinstance(config, dict) and "auto_map" in config:
        risks.append("config.json asks for code of its own (auto_map): not loaded")
    risks += [f"{name} is code that came with the weights: not loaded" for name in names if name.endswith(".py")]
    return risks[:64]


def _is_pickle_name(name: str) -> bool:
    return name.endswith((".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"))
