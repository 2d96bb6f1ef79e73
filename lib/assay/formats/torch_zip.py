"""torch.save since 1.6: a zip whose data.pkl names the tensors and whose data/ holds their numbers."""

import io
from collections import Counter
from collections.abc import Callable

from assay.formats.content import Content, Stretch
from assay.formats.given import Given
from assay.formats.npy import objects_in
from assay.formats.opening import shown
from assay.formats.pickle_content import MOST_INNER, Seen, find_weights, raise_if_bare, read_objects
from assay.formats.pickle_machine import Window
from assay.formats.torch_objects import Storage, TorchSense, width
from assay.formats.zips import Zip, is_zip

WHAT = "a torch archive"
SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")
NEEDS = "torch, and the class from its source"
CARRIES = "pickles"
PICKLES = (".pkl", ".pickle", ".npy", ".pt", ".pth")
SPECIAL = ("data.pkl", "constants.pkl", "byteorder", "version", "code", "data", "constants")
MOST_PICKLES = 64  # further pickles in one archive that are looked into


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    archive = given.zip
    return "zip with data.pkl" if archive and root_of(archive) is not None else ""


def look(given: Given) -> Content:
    """Read what it holds."""
    content, archive = Content(), given.zip
    assert archive is not None
    root, seen = root_of(archive) or "", Seen()
    sense = TorchSense(given.file, locator(given, archive, f"{root}data/"))
    top = read_member(given, archive, f"{root}data.pkl", sense, seen, content)
    others(given, archive, {f"{root}data.pkl"}, seen, content)
    seen.judge(content)
    packed_risk(archive, f"{root}data/", content)
    raise_if_bare(given, content)
    if any(row.name.startswith("__torch__.") for row in content.code):
        raise given.damaged("is a TorchScript archive without its code", "save it again")
    if not content.damaged:
        find_weights(given, top, content)
    add_checksums(archive, f"{root}data/", content)
    return content


def root_of(archive: Zip) -> str | None:
    """Give the folder of the archive that data.pkl lies in; None when there is not just one."""
    found = [n for n in archive.members if n == "data.pkl" or (n.count("/") == 1 and n.endswith("/data.pkl"))]
    if len(found) > 1:
        raise archive.damaged(f"holds {len(found)} of data.pkl: readers differ on which one counts", "save it again")
    if not found:
        return None
    _unambiguous(archive)
    return found[0].removesuffix("data.pkl")


def _unambiguous(archive: Zip) -> None:
    """Refuse names that torch, which finds members without regard to case, takes for others than we do."""
    times = Counter(name.lower() for name in archive.members)
    for name in archive.members:
        leads = (name.partition("/")[2] or name).partition("/")[0]
        if times[name.lower()] > 1 or (leads not in SPECIAL and leads.lower() in SPECIAL):
            what = f"member {shown(name)} is called like another but for its case: readers would disagree"
            raise archive.damaged(what, "save it again")


def locator(given: Given, archive: Zip, folder: str) -> Callable[[Storage], None]:
    """Make the function that finds a storage's numbers in the archive."""
    big = _byteorder(archive, folder) == b"big"

    def locate(storage: Storage) -> None:
        member = archive.members.get(folder + storage.key)
        if member is None:
            raise given.damaged(f"storage {shown(storage.key)} is missing", "fetch it again, or save it again")
        storage.bytes, storage.at = member.size, None if member.packed else member.at
        storage.little = not big
        promised = storage.numbers * width(storage.dtype)
        if promised and member.size != promised:
            what = f"storage {shown(storage.key)} promises {promised} bytes, {member.size} are there"
            raise given.damaged(f"damaged: {what}")

    return locate


def _byteorder(archive: Zip, folder: str) -> bytes:
    name = folder.rsplit("data/", 1)[0] + "byteorder"
    return archive.read(name, 64).strip() if name in archive.members else b"little"


def read_member(given: Given, archive: Zip, name: str, sense: TorchSense, seen: Seen, content: Content) -> object:
    """Read a pickle that is a member of an archive, where it lies when it is not packed."""
    member = archive.members[name]
    if member.packed or member.size <= 1 << 20 or archive.file is not given.file:
        window = Window(archive.read(name, MOST_INNER))
    else:
        window = Window(given.file, member.at, member.at + member.size)
    return read_objects(window, sense, seen, shown(name), content)


def others(given: Given, archive: Zip, read: "set[str]", seen: Seen, content: Content) -> None:
    """Look into further pickles of an archive, which some reader may load."""
    names = [n for n in archive.members if n.lower().endswith(PICKLES) and n not in read]
    if len(names) > MOST_PICKLES:
        content.trust.append(f"{len(names) - MOST_PICKLES} of its pickles were not looked into: it holds {len(names)}")
    for name in names[:MOST_PICKLES]:
        if name.lower().endswith(".npy"):
            objects_in(archive.read(name, MOST_INNER), shown(name), seen, content)
        elif is_zip(archive.peek(name, 4)):
            inside(given, archive, name, seen, content)
        else:
            read_member(given, archive, name, TorchSense(given.file), seen, content)
    if names:
        content.risks.append(f"further pickles, archives or arrays lie in it ({len(names)}), as {shown(names[0])}")


def inside(given: Given, archive: Zip, name: str, seen: Seen, content: Content) -> None:
    """Look into an archive that lies in this one."""
    data = archive.read(name, MOST_INNER)
    inner = Zip(io.BytesIO(data), len(data), f"{given.where}: {shown(name)}")
    names = [n for n in inner.members if n.lower().endswith((".pkl", ".pickle"))]
    if len(names) > MOST_PICKLES:
        content.trust.append(f"pickles of {shown(name)} were not looked into: it holds {len(names)}")
    for member in names[:MOST_PICKLES]:
        read_objects(Window(inner.read(member, MOST_INNER)), TorchSense(), seen, f"{shown(name)}/{member}", content)


def packed_risk(archive: Zip, folders: "str | tuple[str, ...]", content: Content) -> None:
    """Tell numbers that are compressed: a reader that maps the file takes them for weights as they are."""
    packed = [m for m in archive.members.values() if m.packed and m.name.startswith(folders)]
    if packed:
        what = "of its weights are compressed: a reader that maps the file would take them as they lie there"
        content.cannot.append(f"{len(packed)} {what}")


def add_checksums(archive: Zip, folders: "str | tuple[str, ...]", content: Content) -> None:
    """Let a look at the numbers also compare them with the archive's checksums."""
    if not archive.has_checksums:
        content.risks.append("it was saved without checksums: damaged weights cannot be told")
        return
    known = {(s.at, s.bytes): s for s in content.stretches}
    for member in archive.members.values():
        if member.packed or not member.size or not member.name.startswith(folders):
            continue
        stretch = known.get((member.at, member.size))
        if stretch is None:
            stretch = Stretch("", member.at, member.size, "", [shown(member.name)])
            content.stretches.append(stretch)
        stretch.crc = member.crc
