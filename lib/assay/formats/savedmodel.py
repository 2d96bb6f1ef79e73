"""A TensorFlow SavedModel folder: a program and its variables."""

from assay.formats.content import Content
from assay.formats.given import Given

WHAT = "a TensorFlow SavedModel folder"
SUFFIXES: tuple[str, ...] = ()
NEEDS = "tensorflow"
CARRIES = "closed"
PROGRAM = "a SavedModel is a program: loading it runs code of its maker"


def recognise(given: Given) -> str:
    """Say by what it is known; "" when it is none."""
    return "folder with saved_model.pb" if "saved_model.pb" in given.names else ""


def look(given: Given) -> Content:
    """Read what it holds: only that it is one."""
    content = Content(trust=[PROGRAM])
    content.unread("in TensorFlow's own checkpoint, which is not read here", 0)
    return content
