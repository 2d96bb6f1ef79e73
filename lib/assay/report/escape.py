"""Text of others in Markdown: shown as it is, never acted upon.

Names of classes, files and tensors come from models and are hostile until escaped. What passed through here is
Safe; the templates escape everything that is not.
"""

import re
import unicodedata
from urllib.parse import quote

LIMIT = 400  # characters of one piece of foreign text; the record has the rest

_PUNCTUATION = frozenset("&<>`*[]|~\\!$@{}")
_LONE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK_START = re.compile(r"^(?:[-+#=:]|\d+(?=[.)](?:\s|$)))")
_ADDRESS = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9 ._/:=+,%()\[\]-]+")
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))


class Safe(str):
    """Markdown of our own making, or foreign text that was escaped."""


def text(value: object) -> Safe:
    """Escape a value for a line of text or a table cell."""
    if isinstance(value, Safe):
        return value
    return Safe(_BLOCK_START.sub(lambda found: _entity(found[0][0]) + found[0][1:], inline(value)))


def inline(value: object) -> Safe:
    """Escape a value for the inside of a line, where no list or heading can begin."""
    if isinstance(value, Safe):
        return value
    if isinstance(value, (int, float)):
        raise TypeError(f"the number {value} has no pointer: it cannot be shown")
    shown = visible(str(value)).strip()
    shown = shown if len(shown) <= LIMIT else shown[:LIMIT] + "…"
    shown = "".join(_entity(c) if c in _PUNCTUATION else c for c in shown)
    for pattern in (_LONE_UNDERSCORE, _ADDRESS):
        shown = pattern.sub(lambda found: _entity(found[0]), shown)
    return Safe(shown)


def visible(value: str) -> str:
    """Spell out what would not be seen or would reorder the line: control, bidi and zero-width characters."""
    return "".join(f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in _INVISIBLE else c for c in value)


def code(value: object) -> Safe:
    """Set a harmless word (a digest, a path, a key) in code type; escape any other."""
    shown = str(value)
    harmless = _PLAIN.fullmatch(shown) and shown == shown.strip() and len(shown) <= LIMIT
    return Safe(f"`{shown}`") if harmless else text(shown)


def block(lines: "list[str]") -> Safe:
    """Set commands in a fenced block that they cannot close."""
    shown = [visible(line) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return Safe("\n".join([f"{fence}sh", *shown, fence]))


def title(value: str) -> Safe:
    """Escape the title of a link."""
    return Safe("".join(_entity(c) if c in "&<>\"'\\`[]" else c for c in visible(value)))


def url(path: str) -> Safe:
    """Spell a relative path as the address of a link."""
    return Safe(quote(path, safe="/._-"))


def _entity(character: str) -> str:
    return f"&#{ord(character)};"
