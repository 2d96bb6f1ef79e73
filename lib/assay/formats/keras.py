"""A Keras archive: a zip of a config, and of weights in HDF5 that are read where they lie."""

import io
from collections import Counter
from typing import Any

from assay.formats import hdf5, hdf5_file, keras_config
from assay.formats.content import Content, Stretch
from assay.formats.given import Given
from assay.formats.hdf5_source import Budget, Source
from assay.formats.opening import shown
from assay.formats.zips import Member, Zip

WHAT = "a Keras archive"
SUFFIXES = (".keras",)
NEEDS = "keras, and the code that reads it"
CARRIES = "weights"
CONFIG, METADATA, INDEX = "config.json", "metadata.json", "model.weights.json"
WEIGHTS = ".weights.h5"
MOST_UNPACKED = 48 << 20  # bytes of all compressed members together; what describes tensors is read besides
MOST_JSON = 16 << 20
MOST_FACTS = 100


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    names = given.zip.members if given.zip else {}
    found = CONFIG in names and any(n.endswith(WEIGHTS) for n in names)
    return "zip with config.json and weights in HDF5" if found else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content, archive = Content(), given.zip
    assert archive is not None
    facts = _json(archive, METADATA) if METADATA in archive.members else {}
    content.metadata = {k[:1024]: hdf5.clipped(hdf5.as_text(facts[k])) for k in sorted(facts)[:MOST_FACTS]}
    text = _text(archive, CONFIG)
    content.metadata[CONFIG] = hdf5.clipped(text)
    keras_config.describe({CONFIG: text}, content, str(facts.get("keras_version", "")))
    shards = sorted(name for name in archive.members if name.endswith(WEIGHTS))
    _check_index(archive, shards)
    budget = Budget()
    for name in shards:
        source = _source(given, archive, archive.members[name], budget, content)
        if source is not None:
            _weights(archive, source, archive.members[name], name if len(shards) > 1 else "", content)
    _finish(archive, content)
    return content


def _json(archive: Zip, name: str) -> "dict[str, Any]":
    try:
        found = keras_config.parsed(_text(archive, name))
    except (ValueError, RecursionError):
        raise archive.damaged(f"damaged: {name} is not JSON that can be read") from None
    if not isinstance(found, dict):
        raise archive.damaged(f"damaged: {name} is not a JSON object")
    return found


def _text(archive: Zip, name: str) -> str:
    try:
        return archive.read(name, MOST_JSON).decode()
    except UnicodeDecodeError:
        raise archive.damaged(f"damaged: {name} is not UTF-8") from None


def _check_index(archive: Zip, shards: "list[str]") -> None:
    """Refuse an archive whose index names weights that it does not hold."""
    if INDEX not in archive.members:
        return
    table = _json(archive, INDEX).get("weight_map")
    rows = table.values() if isinstance(table, dict) else ()
    wanted = [name for row in rows for name in (row if isinstance(row, list) else [row])]
    missing = sorted({str(name)[:200] for name in wanted} - set(shards))
    if missing:
        raise archive.damaged(f"its index names {shown(missing[0])}, which is not in it")


def _source(given: Given, archive: Zip, member: Member, budget: Budget, content: Content) -> Source | None:
    """Open one HDF5 member: where it lies, or unpacked into memory when it is compressed and not too long."""
    where = f"{given.where}: {shown(member.name)}"
    if not member.packed:
        if member.at + member.size > given.size:
            there = given.size - member.at
            raise given.damaged(f"truncated: {shown(member.name)} has {member.size} bytes, {there} there")
        return Source(given.file, where, member.at, member.size, budget)
    if member.size > min(MOST_UNPACKED, budget.bytes):
        content.risks.append(f"{shown(member.name)} is compressed and too long: its weights are not read")
        return None
    budget.bytes -= member.size
    return Source(io.BytesIO(archive.read(member.name, MOST_UNPACKED)), where, 0, member.size, budget)


def _weights(archive: Zip, source: Source, member: Member, where: str, content: Content) -> None:
    start = None if member.packed else member.at
    hdf5.describe(hdf5_file.read(source), content, start, member.size, where)
    if start is not None and archive.has_checksums and member.size:
        content.stretches.append(Stretch("", member.at, member.size, "", [shown(member.name)], member.crc))


def _finish(archive: Zip, content: Content) -> None:
    """Tell what is odd about the archive as a whole."""
    times = Counter(tensor.name for tensor in content.tensors)
    twice = [name for name, count in times.items() if count > 1]
    if twice:
        content.risks.append(f"tensor {twice[0][:80]!r} stands in two of its files: readers differ on which one counts")
    if not archive.has_checksums:
        content.risks.append("it was saved without checksums: damaged weights cannot be told")
    known = {CONFIG, METADATA, INDEX}
    others = [name for name in archive.members if name not in known and not name.endswith((WEIGHTS, "/"))]
    if others:
        content.risks.append(f"{len(others)} further members lie in it and are not read, as {shown(others[0])}")
    if not content.tensors:
        content.risks.append("it holds no tensor")
