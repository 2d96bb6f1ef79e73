"""HDF5, as Keras and others keep weights: read without its library, and without following what leads out of it."""

import json
from typing import Any

from assay.formats import hdf5_file, keras_config
from assay.formats.content import Content, Stretch
from assay.formats.given import Given
from assay.formats.hdf5_file import Dataset, Found, named
from assay.formats.hdf5_objects import MAGIC
from assay.formats.hdf5_source import Budget, Source
from assay.formats.labels import label_names
from assay.records import Weight

WHAT = "an HDF5 file"
SUFFIXES: tuple[str, ...] = (".h5", ".hdf5", ".keras", ".ckpt")
NEEDS = "the code that wrote it: keras, or another that uses HDF5"
CARRIES = "weights"
MOST_FACTS = 1000
LONGEST = 65_536  # characters of one
MOST_RISKS = 32
SWOLLEN = 1000  # times the whole file: what compression can do
LABELS = ("labels", "class_names", "classes")
CONFIGS = ("model_config", "training_config")


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    return "magic bytes b'\\x89HDF'" if given.head.startswith(MAGIC) else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content = Content()
    found = hdf5_file.read(Source(given.file, given.where, 0, given.size, Budget()))
    describe(found, content, 0, given.size)
    own = found.attributes[""]
    for name in LABELS:
        content.labels = content.labels or label_names(as_text(own.get(name, "")))
    configs = {name: own[name] for name in CONFIGS if isinstance(own.get(name), str)}
    if configs:
        keras_config.describe(configs, content, str(own.get("keras_version", "")), str(own.get("backend", "")))
    if found.hidden:
        content.trust.append(f"{found.hidden} of its attributes cannot be read here: what they ask for is not known")
    if not content.tensors:
        content.risks.append("it holds no tensor")
    return content


def describe(found: Found, content: Content, start: int | None, size: int, where: str = "") -> None:
    """Write down what a file holds that begins at a byte of the checkpoint; None is one that was unpacked."""
    optimizer: dict[str, list[int]] = {}
    for one in found.datasets:
        names = [name for name in one.names if not keras_config.optimizer_group(name)]
        if names:
            _add(one, names, content, start)
        else:
            optimizer.setdefault(keras_config.optimizer_group(one.names[0]), []).append(one.numbers)
        if one.bytes > SWOLLEN * size:
            content.risks.append(f"{named(one.names[0])} claims {one.bytes} bytes, of a file of {size}")
    content.tensors.sort(key=lambda weight: weight.name)
    for group, numbers in optimizer.items():
        content.leftovers[group] = f"{len(numbers)} tensors of {sum(numbers)} numbers"
    _facts(found, content, where)
    content.risks += found.risks[:MOST_RISKS]
    if len(found.risks) > MOST_RISKS:
        content.risks.append(f"{len(found.risks) - MOST_RISKS} more such lines")


def _add(one: Dataset, names: "list[str]", content: Content, start: int | None) -> None:
    dtype, plain = _type(one)
    at = one.at + start if one.at is not None and start is not None and plain else None
    shape, big = list(one.shape), not one.kind.little
    content.tensors += [
        Weight(name=each, dtype=dtype, shape=shape, parameters=one.numbers, bytes=one.bytes, at=at, big=big)
        for each in names
    ]
    if len(names) > 1:
        content.shared.append(names)
    if not one.bytes:
        return
    if at is not None:
        content.stretches.append(Stretch("", at, one.bytes, dtype, list(names), big=big))
    else:
        content.unread(one.why or ("compressed" if plain else f"of the type {dtype}, which is no plain number"))


def _type(one: Dataset) -> "tuple[str, bool]":
    """Name the type, and tell plain numbers; Keras notes beside two bytes that they are a bfloat16."""
    if one.attributes.get("dtype") == "bfloat16" and one.kind.unit == 2:
        return "bfloat16", True
    return one.kind.name, one.kind.plain


def _facts(found: Found, content: Content, where: str) -> None:
    """Keep the attributes that are texts, numbers, or lists of them: the file's own, its groups', its tensors'."""
    rows = [*found.attributes.items(), *((one.names[0], one.attributes) for one in found.datasets)]
    for path, values in rows:
        for name, value in values.items():
            if len(content.metadata) >= MOST_FACTS:
                content.risks.append(f"more than {MOST_FACTS} attributes: the others are not shown")
                return
            key = ": ".join(word for word in (where, path, name) if word)
            content.metadata[key[:1024]] = clipped(as_text(value))


def as_text(value: Any) -> str:
    """Write an attribute's value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def clipped(text: str) -> str:
    """Keep the beginning of a text, and say so."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters in all)"
