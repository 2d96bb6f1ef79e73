"""What is often found where weights should be, and how to get the weights."""

from pathlib import Path

from assay.errors import WrongInput
from assay.formats.opening import shown

FETCH = "fetch it again"
UNPACK = "unpack it and name the file inside"
# first bytes, at which byte, what that is, what to do
SIGNS = (
    (b"\x1f\x8b", 0, "is gzip-compressed", UNPACK),
    (b"BZh", 0, "is bzip2-compressed", UNPACK),
    (b"\xfd7zXZ\x00", 0, "is xz-compressed", UNPACK),
    (b"\x28\xb5\x2f\xfd", 0, "is zstd-compressed", UNPACK),
    (b"\x04\x22\x4d\x18", 0, "is lz4-compressed", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "is a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", 0, "is a RAR archive", UNPACK),
    (b"]\x00\x00\x80\x00", 0, "is LZMA-compressed", UNPACK),
    (b"ORTM", 4, "is a model in ONNX Runtime's own format", "name the .onnx file it was made from"),
    (b"\x89PNG\r\n", 0, "is a PNG picture", "name the weights"),
    (b"\xff\xd8\xff", 0, "is a JPEG picture", "name the weights"),
    (b"GIF8", 0, "is a GIF picture", "name the weights"),
    (b"WEBPVP8", 8, "is a WebP picture", "name the weights"),
    (b"\xcf\xfa\xed\xfe", 0, "is a program or library (Mach-O)", "name the weights"),
    (b"\x7fELF", 0, "is a program or library (ELF)", "name the weights"),
    (b"MZ", 0, "is a Windows program or library", "name the weights"),
    (b"%PDF-", 0, "is a PDF document", "name the weights"),
    (b"SQLite format 3\x00", 0, "is an SQLite database", "name the weights"),
)
LFS = b"version https://git-lfs.github.com/spec/"
HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


def refuse(path: Path, head: bytes, size: int) -> None:
    """Refuse a file that is something else, by name."""
    where = shown(path)
    if head.startswith(LFS):
        what = f"this is a Git LFS pointer of {size} bytes, not the weights"
        raise WrongInput(what, where=where, mend="run `git lfs pull` where it came from")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(HTML):
        what = f"this is an HTML page of {size} bytes, not the weights"
        raise WrongInput(what, where=where, mend="fetch the file itself, not the page about it")
    for sign, offset, what, mend in SIGNS:
        if head[offset : offset + len(sign)] == sign and (sign != b"MZ" or b"PE\x00\x00" in head):
            raise WrongInput(what, where=where, mend=mend)
    if _is_tar(head):  # by its checksum: the name in front of it can be made to look like another file
        raise WrongInput("is a tar archive", where=where, mend=UNPACK)
    if _zlib(head):
        raise WrongInput("is zlib-compressed", where=where, mend=UNPACK)
    if not head.strip(b"\x00"):
        raise WrongInput(f"begins with {len(head)} zero bytes: not a model", where=where, mend=FETCH)


def refuse_part(path: Path, head: bytes) -> None:
    """Refuse a file that is nothing without those beside it."""
    if path.name == "saved_model.pb" and head[:1] == b"\x08":
        what = "is the graph of a TensorFlow SavedModel, whose weights lie beside it"
        raise WrongInput(what, where=shown(path), mend="name its folder")


def _is_tar(head: bytes) -> bool:
    said = head[148:156].strip(b" \0")
    if len(head) < 512 or not said.isdigit() or b"8" in said or b"9" in said:
        return False
    return int(said, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def _zlib(head: bytes) -> bool:
    starts = len(head) > 2 and head[0] == 0x78 and head[1] in (0x01, 0x5E, 0x9C, 0xDA)
    return starts and head[4:8] != b"TFL3"  # a table's place may look the same
