"""Names, paths, URLs and revisions: each check answers a fault as text, or "" when there is none."""

import pathlib
import re

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
LONGEST_NAME = 64
DEVICE_NAMES = frozenset(("con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))))
URL = re.compile(
    r"https://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?(?P<path>/[A-Za-z0-9._~/+%@=,-]*)\Z"
)
ENCODED = re.compile(
    r"%([01]|2[ef]|7f|(?![0-9a-f]{2}))", re.IGNORECASE
)  # control characters, dots and slashes in disguise
REV = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@-]*\Z")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//|:)|[\w.-]+@[\w.-]+:")
CREDENTIALS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^/\s?#]*@")
NOT_A_WORKSPACE = (".git", "experiments", "recipes", "examples", "checkpoints", "lib", "docs", "tests")
LONGEST_PART, LONGEST_PATH = 255, 4096


def check_name(text: str) -> str:
    """Check an experiment's name, which becomes file, task and folder names."""
    if not NAME.match(text) or text.endswith("."):
        return "is no experiment name; use small letters, digits, '.', '_' and '-', a letter or digit first"
    if text.split(".")[0] in DEVICE_NAMES:
        return "is a device name on some systems; choose another name"
    if len(text) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters; choose a shorter name"
    return ""


def check_url(text: str) -> str:
    """Check the URL of a repository or an index: https, no credentials, nothing that git could take as an option."""
    if CREDENTIALS.match(text):
        return "holds credentials; delete the part before @ and let git's own credential store answer"
    if text.startswith("-"):
        return "looks like an option; write https://host/path"
    if any(c.isspace() or not c.isprintable() for c in text):
        return "holds a space or control character; write https://host/path"
    if not text.startswith("https://"):
        return "is not an https URL; write https://host/path, or a local folder as source.path"
    match = URL.match(text)
    if match is None:
        return "is not of the form https://host/path; leave out queries, fragments and unusual characters"
    if ".." in match["host"] or ".." in match["path"].split("/") or ENCODED.search(match["path"]):
        return "holds .. or an encoded control character; write the plain path"
    return ""


LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/[A-Za-z0-9._~/+%@=,-]*)?\Z")
PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\Z")


def check_index(text: str) -> str:
    """Check the URL of a package index: https, or one on this very machine."""
    if LOCAL.match(text):
        return ""
    return check_url(text).replace(", or a local folder as source.path", "")


def check_links(text: str) -> str:
    """Check a page or folder of wheels."""
    fault = check_index(text) if SCHEME.match(text) else check_interpreter(text)
    return fault.replace("a python, as .venv/bin/python", "a folder, as wheels/")


def check_project(text: str) -> str:
    """Check the name of a package: the name alone, neither a version nor a URL."""
    return "" if PROJECT.match(text) else "is no package's name; write it as the index does, without a version"


def check_rev(text: str) -> str:
    """Check a git revision: a branch, tag or commit, never an option or an expression."""
    if text.startswith("-"):
        return "looks like an option; write a branch, tag or commit"
    parts = text.split("/")
    odd = ".." in text or "@{" in text or text == "@" or len(text) > LONGEST_PART
    if odd or not REV.match(text) or any(not p or p.startswith(".") or p.endswith((".", ".lock")) for p in parts):
        return "is not the plain name of a branch, tag or commit; write one, as v1.2 or main"
    return ""


def check_checkpoint(text: str) -> str:
    """Check a checkpoint's path: anywhere on this machine, but never a URL."""
    if SCHEME.match(text):
        end = re.split(r"[/:]", re.split(r"[?#]", text)[0].rstrip("/"))[-1]
        file = end if re.fullmatch(r"[\w.+-]{1,80}", end) and not end.startswith("-") else "FILE"
        mend = f"put the file into checkpoints/ (git-ignored) and write checkpoint: checkpoints/{file}"
        return f"is a URL, and checkpoints are never downloaded; {mend}"
    if ".." in text.split("/") and not text.startswith(("/", "~")):
        return "leaves the repository through ..; write a path below it, or an absolute one"
    return _too_long(text)


def check_inside(text: str) -> str:
    """Check a path that has to stay in the repository."""
    if SCHEME.match(text):
        return "is a URL, not a path in the repository; a repository's URL belongs to source.repo"
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        return "leaves the repository; copy or link it below the repository and write the relative path"
    if ".." in text.split("/"):
        return "leaves the repository through ..; write a path below it"
    if "\\" in text or text.startswith("-") or not text.isprintable():
        return "holds a backslash, a control character or begins with -; write folders with / between them"
    return _too_long(text)


def check_workspace(text: str) -> str:
    """Check the folder that is built into: below the repository, and none of its own folders."""
    fault = check_inside(text)
    first = plain(text).split("/")[0]
    if not fault and (first == "." or first in NOT_A_WORKSPACE):
        return "is a place of the repository itself; write a folder of its own, as tmp/NAME"
    return fault


def check_interpreter(text: str) -> str:
    """Check the path of an interpreter: anywhere on this machine."""
    if SCHEME.match(text) or not text.isprintable() or text.startswith("-"):
        return "is not a path; write the path of a python, as .venv/bin/python"
    if ".." in text.split("/") and not text.startswith(("/", "~")):
        return "leaves the repository through ..; write an absolute path"
    return _too_long(text)


def plain(text: str) -> str:
    """Write a relative path the shortest way: no ./, no //, no / at the end."""
    return pathlib.PurePosixPath(text).as_posix()


def located(root: pathlib.Path, text: str) -> pathlib.Path:
    """Find a checkpoint or interpreter as written: absolute, from home, or from the repository."""
    try:
        return root / pathlib.Path(text).expanduser()
    except RuntimeError:  # ~somebody who does not exist here
        return root / text


def _too_long(text: str) -> str:
    if len(text) > LONGEST_PATH or any(len(p.encode()) > LONGEST_PART for p in text.split("/")):
        return "is longer than a file system allows; shorten it"
    return ""
