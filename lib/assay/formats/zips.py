"""Zip archives that hold a model: every reader must see the same members, and nothing is unpacked to disk."""

import struct
import zipfile
import zlib
from collections import Counter
from typing import BinaryIO, NamedTuple

from assay.errors import WrongInput
from assay.formats.opening import read_at, shown

MOST_MEMBERS = 100_000
MOST_DIRECTORY = 32 << 20
END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
ELSEWHERE = "its zip directory is not where its end says: readers would disagree"
FETCH, SAVE = "fetch it again", "save it again"


def is_zip(head: bytes) -> bool:
    """Tell a zip by its first bytes."""
    return head[:4] in (b"PK\x03\x04", END)


class Member(NamedTuple):
    """One member: where its bytes lie, and how."""

    name: str
    at: int  # where its data begin in the file
    size: int
    held: int  # bytes in the archive
    crc: int
    packed: bool


class Zip:
    """The directory of an archive, checked against each member's own header."""

    def __init__(self, file: BinaryIO, size: int, where: str, behind: int = 0) -> None:
        self.file, self.where = file, where
        self._behind = behind  # bytes of another file that it follows, and that its places may count in
        found = self._directory(size)
        twice = [name for name, count in Counter(m.filename for m in found).items() if count > 1]
        if twice:
            raise self.damaged(f"holds {shown(twice[0])} twice: readers differ on which one counts", SAVE)
        if found and min(m.header_offset for m in found) > 0:
            raise self.damaged("has other bytes before its first member", SAVE)
        self.members = {m.filename: self._member(m) for m in found}
        # A writer may leave every checksum out; torch offers that to save time.
        self.has_checksums = any(m.crc for m in self.members.values())

    def read(self, name: str, limit: int) -> bytes:
        """Unpack a member into memory; refuse one that is too long or is not what its checksum says."""
        member = self.members[name]
        if max(member.size, member.held) > limit:
            raise self.damaged(f"member {shown(name)} has {member.size} bytes; {limit} are read at most", "")
        data = self._data(member)
        if len(data) != member.size:
            raise self.damaged(f"member {shown(name)} holds {len(data)} bytes, {member.size} promised")
        if self.has_checksums and zlib.crc32(data) != member.crc:
            raise self.damaged(f"damaged: member {shown(name)} is not what its checksum says")
        return data

    def peek(self, name: str, count: int) -> bytes:
        """Unpack the first bytes of a member."""
        member = self.members[name]
        held = read_at(self.file, member.at, min(member.held, count))
        try:
            return zlib.decompressobj(-15).decompress(held, count) if member.packed else held
        except zlib.error:
            raise self.damaged(f"damaged: member {shown(name)} cannot be unpacked") from None

    def damaged(self, what: str, mend: str = FETCH) -> WrongInput:
        """Say what is wrong with the archive."""
        return WrongInput(what, where=self.where, mend=mend)

    def _data(self, member: Member) -> bytes:
        held = read_at(self.file, member.at, member.held)
        if not member.packed:
            return held
        try:
            engine = zlib.decompressobj(-15)
            return engine.decompress(held, member.size + 1)
        except zlib.error:
            raise self.damaged(f"damaged: member {shown(member.name)} cannot be unpacked") from None

    def _directory(self, size: int) -> "list[zipfile.ZipInfo]":
        self._bounded(size)
        try:
            return zipfile.ZipFile(self.file).infolist()
        except Exception:  # zipfile raises many kinds on damaged directories
            raise self.damaged("damaged: its zip directory cannot be read") from None

    def _bounded(self, size: int) -> None:
        """Refuse a cut archive, a directory too large to be read, and one that some readers look for elsewhere."""
        before = max(0, size - 65_557 - 76)
        self.file.seek(before)
        tail = self.file.read()
        at = tail.rfind(END)
        if at < 0 or len(tail) - at < 22:
            raise self.damaged("truncated: a zip whose directory at the end is missing")
        count, length, start, comment = struct.unpack("<HIIH", tail[at + 10 : at + 22])
        stop = before + at
        if at >= 76 and tail[at - 20 : at - 16] == LOCATOR64:
            stop -= 76
            named = struct.unpack("<8xQ4x", tail[at - 20 : at])[0]
            count, length, start = struct.unpack("<32xQQQ", tail[at - 76 : at - 20])
            if named != stop or tail[at - 76 : at - 72] != END64:
                raise self.damaged(ELSEWHERE, SAVE)
        if count > MOST_MEMBERS or length > MOST_DIRECTORY:
            raise self.damaged(f"a zip of {count} members and {length} bytes of directory: too many", "")
        if start + length - stop not in (0, self._behind) or before + at + 22 + comment != size:
            raise self.damaged(ELSEWHERE, SAVE)

    def _member(self, info: zipfile.ZipInfo) -> Member:
        """Check one member; its own header and the directory must say the same."""
        name = info.filename
        if info.flag_bits & 1:
            raise self.damaged(f"member {shown(name)} is encrypted", "save it again without a password")
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise self.damaged(f"member {shown(name)} leads out of the archive", "do not open it; save it again")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.damaged(f"member {shown(name)} is packed by method {info.compress_type}", SAVE)
        raw = _raw_name(info)
        header = read_at(self.file, info.header_offset, 30 + len(raw))
        if header[:4] != b"PK\x03\x04" or len(header) < 30:
            raise self.damaged(f"damaged: member {shown(name)} is not where the directory says")
        method, length, extra = struct.unpack("<8xH16xHH", header[:30])
        if length != len(raw) or header[30:] != raw or method != info.compress_type:
            raise self.damaged(f"member {shown(name)} has another name inside: readers would disagree", SAVE)
        packed = info.compress_type != zipfile.ZIP_STORED
        if not packed and info.compress_size != info.file_size:
            raise self.damaged(f"damaged: member {shown(name)} has two sizes")
        at = info.header_offset + 30 + length + extra
        return Member(name, at, info.file_size, info.compress_size, info.CRC, packed)


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437")
