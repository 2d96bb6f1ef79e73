"""Faults of one file, collected so that all are shown at once."""

import re

from assay.errors import WrongInput, WrongInputs

SHOWN = 60
MOST = 50
TOO_LONG_TO_SHOW = 2000
USERINFO = re.compile(r"//[^\s@]*@")
QUERY = re.compile(r"(://[^\s?]*\?)\S+")
NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


class Faults:
    """The faults of one file, each with its line."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[tuple[int, WrongInput]] = []

    def add(self, line: int, what: str, mend: str, *, column: int = 0) -> None:
        """Note a fault of a line, and of a column where that helps to find it."""
        place = f"{line}:{column}" if column else f"{line}"
        self.found.append((line, WrongInput(what, where=f"{self.file}:{place}", mend=mend)))

    def full(self) -> bool:
        """Tell whether reading on would only add faults that are not shown."""
        return len(self.found) > MOST


def refuse(*groups: Faults) -> None:
    """Raise all faults of these files, by file and line; do nothing when there is none."""
    faults: list[WrongInput] = []
    for group in groups:
        ordered = [fault for _, fault in sorted(group.found, key=lambda pair: pair[0])]
        faults += ordered[:MOST]
        if len(ordered) > MOST:
            faults.append(WrongInput("there are more faults", where=group.file, mend="mend these first"))
    if faults:
        raise WrongInputs(faults)


def shown(text: str) -> str:
    """Quote a value of a file: one line, short, no control characters, no credentials."""
    if len(text) > TOO_LONG_TO_SHOW:
        return f"a text of {len(text)} characters"
    masked = QUERY.sub(r"\1***", USERINFO.sub("//***@", text))
    visible = "".join(c if c.isprintable() else _escape(c) for c in masked)
    return f"'{visible}'" if len(visible) <= SHOWN else f"'{visible[: SHOWN - 3]}...'"


def _escape(char: str) -> str:
    if char in NAMED:
        return NAMED[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
