"""A Hugging Face model folder: configs as data, weights by their own formats, code of its own named and not run."""

import json
import posixpath
from pathlib import Path
from typing import Any

import msgspec

from assay.errors import WrongInput
from assay.formats import hdf5, jsons, pickle, safetensors, torch_legacy, torch_zip
from assay.formats.content import Content, full_name
from assay.formats.given import Given
from assay.formats.opening import opened, shown
from assay.records import Named

WHAT = "a Hugging Face model folder"
SUFFIXES: tuple[str, ...] = ()
NEEDS = "the library that its config names"
CARRIES = "weights"
CONFIGS = (
    "config.json", "model_index.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json",
    "generation_config.json", "special_tokens_map.json", "adapter_config.json", "image_processor_config.json",
)  # fmt: skip
OWN_KEYS = {"model_type", "architectures", "auto_map"}
LIMIT = 16 << 20
MOST_FACTS = 400
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
READERS: "tuple[Any, ...]" = (torch_zip, torch_legacy, safetensors, hdf5, pickle)
INDEX = ".index.json"
# What a folder's weights are called, the safer first; a name with an index stands for the files in it.
WEIGHTS = (
    "model.safetensors", "diffusion_pytorch_model.safetensors", "adapter_model.safetensors", "pytorch_model.bin",
    "diffusion_pytorch_model.bin", "adapter_model.bin", "tf_model.h5",
)  # fmt: skip


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    names = given.names
    if "model_index.json" in names:
        return "folder with model_index.json"
    if "config.json" not in names:
        return "folder with adapter_config.json" if "adapter_config.json" in names else ""
    config = read_json(names["config.json"])
    if isinstance(config, dict) and OWN_KEYS & config.keys():
        return "folder with a config.json that names a model type"
    weights = {name for w in WEIGHTS for name in (w, w + INDEX)}
    return "folder with config.json and weights" if weights & names.keys() else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content = Content()
    configs = {name: read_json(place) for name, place in given.names.items() if posixpath.basename(name) in CONFIGS}
    _facts(configs, content)
    used: set[str] = set()
    for folder in sorted({posixpath.dirname(name) for name in given.names}):
        for name in _chosen(given, folder):
            used.add(name)
            _merge(content, _look_into(given, name), name, folder)
    _index_agrees(given, content)
    _beside(given, content, used)
    _own_code(given, configs, content)
    if not content.tensors:
        content.risks.append("no weights of a kind that is read here lie in it")
    return content


# ---------------------------------------------------------------- configs
def read_json(path: Path) -> Any:
    """Read a JSON file within limits."""
    with opened(path) as file:
        text = file.read(LIMIT + 1)
    if len(text) > LIMIT:
        raise WrongInput(f"is longer than {LIMIT} bytes", where=shown(path), mend="fetch it again")
    try:
        return jsons.parsed(text)
    except (ValueError, RecursionError):
        raise WrongInput("is not JSON that can be read", where=shown(path), mend="fetch it again") from None


def _facts(configs: "dict[str, Any]", content: Content) -> None:
    """Keep what the configs say in scalars and short lists, by file and key; and the labels."""
    for name, config in sorted(configs.items()):
        for key, value in config.items() if isinstance(config, dict) else ():
            if len(content.metadata) < MOST_FACTS and _is_short(value):
                content.metadata[f"{name}: {key}"[:200]] = value if isinstance(value, str) else json.dumps(value)
    named = configs.get("config.json")
    main = named if isinstance(named, dict) else {}
    content.kind = str(main.get("model_type") or main.get("architectures") or "")[:200]
    labels = main.get("id2label")
    if isinstance(labels, dict) and all(isinstance(v, str) for v in labels.values()):
        content.labels = [labels[k] for k in sorted(labels, key=lambda k: (len(k), k))]


def _is_short(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= 16 and all(not isinstance(v, (list, dict)) for v in value)
    return not isinstance(value, dict) and len(str(value)) <= 1000


# ---------------------------------------------------------------- weights
def _chosen(given: Given, folder: str) -> "list[str]":
    """Choose a folder's weights: by its index, else by the usual names, else every safetensors file."""
    here = [name for name in given.names if posixpath.dirname(name) == folder]
    for name in WEIGHTS:
        path = posixpath.join(folder, name)
        if path + INDEX in here:
            return _shards(given, path + INDEX)
        if path in here:
            return [path]
    return sorted(name for name in here if name.endswith(".safetensors"))


def _weight_map(given: Given, index: str) -> "dict[str, str]":
    place = given.names[index]
    content = read_json(place)
    found = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise WrongInput("its weight_map is not a list of files", where=shown(place), mend="fetch it again")
    return found


def _shards(given: Given, index: str) -> "list[str]":
    """Name the files of an index; each must lie in the folder."""
    folder, place = posixpath.dirname(index), given.names[index]
    files = sorted({posixpath.join(folder, name) for name in _weight_map(given, index).values()})
    for name in files:
        if name not in given.names:
            what = f"names {shown(name[:200])}, which is not in the folder"
            raise WrongInput(what, where=shown(place), mend="fetch the missing file into the folder")
    return files


def _index_agrees(given: Given, content: Content) -> None:
    """Compare an index with what its files hold."""
    for index in sorted(name for name in given.names if name.endswith(INDEX)):
        folder = posixpath.dirname(index)
        wanted = {(posixpath.join(folder, file), name) for name, file in _weight_map(given, index).items()}
        there = {(t.file, t.name) for t in content.tensors}
        if not {file for file, _ in wanted} & {t.file for t in content.tensors}:
            continue
        lacking = sorted(wanted - there)
        if lacking:
            file, name = lacking[0]
            what = f"puts tensor {shown(name[:80])} into {shown(file)}, which does not hold it"
            raise WrongInput(what, where=shown(given.names[index]), mend="fetch the folder again")


def _look_into(given: Given, name: str) -> Content:
    with Given(given.names[name]) as part:
        for reader in READERS:
            if reader.recognise(part):
                found: Content = reader.look(part)
                return found
    raise WrongInput("is no weights file known here", where=shown(given.names[name]), mend="fetch it again")


def _merge(content: Content, part: Content, name: str, folder: str) -> None:
    """Take over what one file of weights holds, under that file's name."""
    again = {full_name(t): full_name(_placed(t, name, folder)) for t in part.tensors}
    content.tensors += [_placed(t, name, folder) for t in part.tensors]
    for stretch in part.stretches:
        stretch.file, stretch.names = name, [again.get(n, n) for n in stretch.names]
    content.stretches += part.stretches
    content.shared += [[again.get(n, n) for n in group] for group in part.shared]
    content.code += [msgspec.structs.replace(row, where=name) for row in part.code]
    for why, count in part.unchecked.items():
        content.unread(why, count)
    for key, value in part.metadata.items():
        content.metadata.setdefault(f"{name}: {key}", value)
    content.leftovers.update(part.leftovers)
    for mine, theirs in ((content.trust, part.trust), (content.cannot, part.cannot), (content.risks, part.risks)):
        mine += [f"{shown(name)}: {line}" for line in theirs]
    content.damaged += part.damaged
    content.quantised += part.quantised
    content.wrapper += part.wrapper


def _placed(tensor: Any, file: str, folder: str) -> Any:
    part = f"{folder}: {tensor.part}" if folder and tensor.part else folder or tensor.part
    return msgspec.structs.replace(tensor, file=file, part=part)


# ---------------------------------------------------------------- what else lies there
def _beside(given: Given, content: Content, used: "set[str]") -> None:
    """Look into pickles that are not the weights chosen: whoever loads them should know."""
    for name in sorted(given.names):
        if name in used or not name.endswith(PICKLES):
            continue
        try:
            part = _look_into(given, name)
        except WrongInput as fault:
            content.risks.append(f"{shown(name)} cannot be read: {fault.what}")
            continue
        content.code += [msgspec.structs.replace(row, where=name) for row in part.code if row.verdict != "tensors"]
        harm = "; ".join(part.trust)
        content.risks.append(f"{shown(name)} is a pickle that is not used here" + (f": {harm}" if harm else ""))


def _own_code(given: Given, configs: "dict[str, Any]", content: Content) -> None:
    """Name the code that came with the weights, and what asks for it."""
    for name, config in sorted(configs.items()):
        wanted = config.get("auto_map") if isinstance(config, dict) else None
        if wanted:
            content.trust.append(f"{name} asks for code of its own (auto_map)")
            for target in _targets(wanted):
                why = "code that the folder brings along, asked for by auto_map"
                content.code.append(Named(name=target[:200], verdict="unknown", why=why, where=name))
    modules = sorted(name for name in given.names if name.endswith(".py"))
    content.risks += [f"{shown(name)} is code that came with the weights: not run" for name in modules[:32]]


def _targets(wanted: Any) -> "list[str]":
    values = wanted.values() if isinstance(wanted, dict) else [wanted]
    flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return sorted({v for v in flat if isinstance(v, str)})
