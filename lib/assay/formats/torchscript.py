"""TorchScript: a zip with the model's code as text, its objects as a pickle, and its numbers."""

import json
from typing import Any

from assay import files
from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.labels import label_names
from assay.formats.opening import shown
from assay.formats.pickle_content import Seen, place_weights, raise_if_bare
from assay.formats.pickle_values import Call, Global
from assay.formats.torch_objects import TensorRef, TorchSense, settled
from assay.formats.torch_state import Found, pairs
from assay.formats.torch_zip import add_checksums, locator, others, packed_risk, read_member, root_of
from assay.formats.torchscript_code import Code
from assay.formats.zips import Zip
from assay.records import Document

WHAT = "a TorchScript archive"
SUFFIXES = (".pt", ".pth", ".jit", ".ts", ".torchscript", ".ptl")
NEEDS = "torch, in a sandbox"
CARRIES = "program"
PROGRAM = "TorchScript is a program: loading it runs code of its maker"
OWN = "__torch__"
LISTS = "torch.jit._pickle"  # lists by type: only torch's own reader of such archives knows them
CONSTANTS = "constants"
NEWEST, ABSURD = 10, 30  # of the file format's version
MOST_EXTRA = 1 << 20


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    archive = given.zip
    root = root_of(archive) if archive else None
    if archive is None or root is None:
        return ""
    has_code = any(name.startswith(f"{root}code/") for name in archive.members)
    return "zip with data.pkl and code/" if has_code else ""


def look(given: Given) -> Content:
    """Read what it holds; its code is parsed, never run."""
    content, archive = Content(trust=[PROGRAM]), given.zip
    assert archive is not None
    root, seen = root_of(archive) or "", Seen()
    _check_version(given, archive, root, content)
    if f"{root}constants.pkl" not in archive.members:
        raise given.damaged("damaged: its constants.pkl is missing", "save it again")
    sense = TorchSense(given.file, locator(given, archive, f"{root}data/"))
    top = read_member(given, archive, f"{root}data.pkl", sense, seen, content)
    constants = TorchSense(given.file, locator(given, archive, f"{root}constants/"))
    fixed = read_member(given, archive, f"{root}constants.pkl", constants, seen, content)
    others(given, archive, {f"{root}data.pkl", f"{root}constants.pkl"}, seen, content)
    seen.globals = [g for g in seen.globals if g[0].module.partition(".")[0] != OWN and g[0].module != LISTS]
    seen.judge(content)
    raise_if_bare(given, content)
    numbers = (f"{root}data/", f"{root}constants/")
    packed_risk(archive, numbers, content)
    code = Code(given, archive, f"{root}code/")
    content.graph = code.graph(_class(top))
    content.cannot += code.unknown()
    content.code += code.reaches_out()
    place_weights(given, lambda: _tensors(top, fixed), content)
    content.wrapper = [f"a TorchScript {_class(top) or 'object'}"]
    _extra(archive, f"{root}extra/", content)
    add_checksums(archive, numbers, content)
    return content


def _check_version(given: Given, archive: Zip, root: str, content: Content) -> None:
    name = next((n for n in (f"{root}version", f"{root}.data/version") if n in archive.members), "")
    text = archive.read(name, 64).strip() if name else b""
    if not text.isdigit() or int(text) > ABSURD:
        raise given.damaged(
            f"damaged: its file format version is {shown(text.decode('latin-1')[:20]) or 'missing'}", ""
        )
    if int(text) > NEWEST:
        content.risks.append(f"its file format version {int(text)} is newer than any known here ({NEWEST})")


def _class(top: Any) -> str:
    return f"{top.func.module}.{top.func.name}" if isinstance(top, Call) and isinstance(top.func, Global) else ""


def _tensors(top: Any, fixed: Any) -> Found:
    """Name the tensors by the attributes that lead to them; a frozen program's are constants of its code."""
    found = Found()
    _walk(top, "", "", found)
    part, name = (CONSTANTS, "") if found.weights else ("", CONSTANTS)
    _walk(fixed, part, name, found)
    return found


def _walk(value: Any, part: str, name: str, found: Found, depth: int = 0) -> None:
    """Take every tensor by the attributes and places that lead to it; packed numbers of quantised layers too."""
    found.step(1, depth)
    value = settled(value)
    if isinstance(value, TensorRef):
        found.add(part, name or "tensor", value)
        return
    if isinstance(value, Call):
        value = value.args[0] if _is_list(value) else value.state
    for key, inner in pairs(value):
        _walk(inner, part, f"{name}.{key}" if name else str(key), found, depth + 1)


def _is_list(made: Call) -> bool:
    """Tell a list that is written as a call, for its type."""
    func = made.func
    return isinstance(func, Global) and func.module == LISTS and isinstance(made.args, tuple) and made.args != ()


def _extra(archive: Zip, folder: str, content: Content) -> None:
    """Keep the texts that an exporter put beside the code; labels when they are told as Ultralytics does."""
    for name in sorted(n for n in archive.members if n.startswith(folder)):
        data = archive.read(name, MOST_EXTRA) if archive.members[name].size <= MOST_EXTRA else b""
        short = name.removeprefix(folder)
        content.embedded.append(
            Document(path=name, bytes=archive.members[name].size, sha256=files.bytes_sha256(data), embedded=True)
        )
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        content.metadata[f"extra: {short}"] = text[:65_536]
        content.labels = content.labels or _labels(text)


def _labels(text: str) -> "list[str]":
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return label_names(json.dumps(found["names"])) if isinstance(found, dict) and "names" in found else []
