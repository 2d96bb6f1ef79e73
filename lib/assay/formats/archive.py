"""Zip archives that hold a model: their directory is read, their members are not run."""

import struct
import zipfile
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from assay.errors import WrongInput
from assay.formats.kinds import KINDS
from assay.formats.opening import opened, shown
from assay.records import Format, Graph

MOST_MEMBERS = 100_000
MOST_DIRECTORY = 32 << 20
END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
JSON_READ = 1 << 20


def is_zip(head: bytes) -> bool:
    """Tell a zip by its first bytes."""
    return head[:4] in (b"PK\x03\x04", END)


def recognise(file: BinaryIO, where: str) -> "tuple[str, str]":
    """Say which kind of model a zip holds."""
    with _directory(file, where) as archive:
        names = archive.namelist()
    inner = {name.partition("/")[2] for name in names} | set(names)
    if "archive_format" in inner or any(n.startswith("models/") and n.endswith(".json") for n in inner):
        return "pt2", "zip with archive_format or models/*.json"
    if {"serialized_exported_program.json", "serialized_state_dict.pt"} & set(names):
        return "pt2", "zip with serialized_exported_program.json"
    if "data.pkl" in inner:
        if any(n.startswith("code/") for n in inner):
            return "torchscript", "zip with data.pkl and code/"
        return "torch-zip", "zip with data.pkl"
    if "config.json" in names and any(n.endswith(".weights.h5") for n in names):
        return "keras", "zip with config.json and weights in HDF5"
    if names and all(name.endswith(".npy") for name in names):
        return "npz", f"zip of {len(names)} .npy members"
    what = f"is a zip archive of {len(names)} members, and none of the model kinds known here"
    raise WrongInput(what, where=where, mend="unpack it and name the file inside")


def facts(path: Path, format: Format) -> "tuple[Graph | None, list[str]]":
    """Name what is risky about an archive."""
    risks = list(KINDS[format.name].risks)
    with opened(path) as file, _directory(file, shown(path)) as archive:
        members = archive.infolist()
        packed = sum(m.compress_type != zipfile.ZIP_STORED for m in members)
        if packed and format.name != "npz":
            risks.append(f"{packed} members are compressed: a reader that maps the file would take them for weights")
        swollen = [m for m in members if m.file_size > 1 << 24 and m.file_size > 100 * max(1, m.compress_size)]
        risks += [f"member {shown(m.filename)} swells to {m.file_size} bytes" for m in swollen[:8]]
        if _uses_pickle(archive):
            risks.append("its weights are kept as a pickle (use_pickle), which can run code when loaded")
    return None, sorted(risks)


def _uses_pickle(archive: zipfile.ZipFile) -> bool:
    for member in archive.infolist()[:2000]:
        if member.filename.endswith(".json") and member.file_size <= JSON_READ:
            try:
                with archive.open(member) as stream:
                    text = stream.read(JSON_READ)
            except Exception:  # a member that cannot be read is found again, by whoever loads it
                continue
            if b'"use_pickle": true' in text or b'"use_pickle":true' in text:
                return True
    return False


def _directory(file: BinaryIO, where: str) -> zipfile.ZipFile:
    """Read the list of members; refuse a list that readers would disagree about."""
    size = file.seek(0, 2)
    _bounded(file, size, where)
    try:
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        for member in members:
            _check_member(file, member)
    except WrongInput as fault:
        raise WrongInput(fault.what, where=where, mend=fault.mend) from None
    except Exception:  # zipfile raises many kinds on damaged directories
        raise WrongInput("damaged: its zip directory cannot be read", where=where, mend="fetch it again") from None
    twice = [name for name, count in Counter(m.filename for m in members).items() if count > 1]
    if twice:
        what = f"holds {shown(twice[0])} twice: readers differ on which one counts"
        raise WrongInput(what, where=where, mend="save it again")
    if members and min(m.header_offset for m in members) > 0:
        raise WrongInput("has other bytes before its first member", where=where, mend="save it again")
    return archive


def _bounded(file: BinaryIO, size: int, where: str) -> None:
    """Refuse a cut archive, and a directory too large to be read, before it is read."""
    file.seek(max(0, size - 65_557 - 76))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < 22:
        raise WrongInput("truncated: a zip whose directory at the end is missing", where=where, mend="fetch it again")
    count, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    if tail[at - 20 : at - 16] == LOCATOR64 and at >= 20:
        found = tail.rfind(END64, 0, at)
        if found >= 0 and at - found >= 56:
            count, length = struct.unpack("<QQ", tail[found + 32 : found + 48])
    if count > MOST_MEMBERS or length > MOST_DIRECTORY:
        raise WrongInput(f"a zip of {count} members and {length} bytes of directory: too many", where=where)


def _check_member(file: BinaryIO, member: zipfile.ZipInfo) -> None:
    name = member.filename
    if member.flag_bits & 1:
        raise WrongInput(f"member {shown(name)} is encrypted", mend="save it again without a password")
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise WrongInput(f"member {shown(name)} leads out of the archive", mend="do not open it; save it again")
    file.seek(member.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\x03\x04":
        raise WrongInput(f"damaged: member {shown(name)} is not where the directory says", mend="fetch it again")
    (length,) = struct.unpack("<H", header[26:28])
    if file.read(length) != _raw_name(member):
        raise WrongInput(f"member {shown(name)} has another name inside: readers would disagree", mend="save it again")


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437")
