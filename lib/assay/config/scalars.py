"""One text of a file -> one typed value; a text that does not fit is a WrongInput without a place."""

import math
import re
from collections.abc import Callable
from typing import Any

from assay.config import places
from assay.config.faults import shown
from assay.config.keys import Key
from assay.config.yamlfile import Text
from assay.errors import WrongInput, did_you_mean

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)\Z")
DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
NOT_FINITE = re.compile(r"[+-]?\.?(inf|infinity|nan)\Z", re.IGNORECASE)
TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
MOST_DIGITS = 18
SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
DEVICE = re.compile(r"auto\Z|cpu\Z|cuda(:[0-9]{1,3})?\Z")


def read_scalar(node: Text, key: Key) -> Any:
    """Read a text as its key's kind."""
    if key.kind != "checkpoint":  # there any URL is refused, with better words
        _no_credentials(node.value)
    return SCALARS[key.kind](node.value, key)


def by_looks(node: Text) -> Any:
    """Read a text as what it looks like: whole number, number, true or false, else text."""
    text = node.value
    _no_credentials(text)
    if node.quoted:
        return text
    if text in TRUTH:
        return TRUTH[text]
    if WHOLE.match(text):
        return _whole(text, f"write at most {MOST_DIGITS} digits, or put a text in quotes")
    if NOT_FINITE.match(text):
        raise WrongInput(f"{shown(text)} is not a finite number", mend="write a number, or put a text in quotes")
    if DECIMAL.match(text) and not re.match(r"[+-]?0[0-9]+\Z", text):  # 007 looks like a label, 0.5 like a number
        return _finite(text)
    return text


def _no_credentials(text: str) -> None:
    if places.CREDENTIALS.search(text):
        raise WrongInput("holds credentials in a URL, and reports are shared", mend="delete the part before @")


def number(text: str) -> float:
    """Read a finite number."""
    if NOT_FINITE.match(text):
        raise WrongInput(f"{shown(text)} is not a finite number", mend="write a number, as 20 or 0.5")
    if not DECIMAL.match(text):
        raise WrongInput(f"{shown(text)} is not a number", mend="write digits and a point, as 20 or 0.5")
    return _finite(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise WrongInput(f"{shown(text)} is larger than any number here", mend="write a smaller one")
    return value


def _whole(text: str, mend: str) -> int:
    if len(text) > MOST_DIGITS:
        raise WrongInput(f"a number of {len(text)} digits is too large", mend=mend)
    return int(text)


def _range(value: float, key: Key) -> None:
    low, high = key.minimum, key.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise WrongInput(f"{value:g} is out of range", mend=f"write {low:g} to {high:g}")


def _int(text: str, key: Key) -> int:
    if not WHOLE.match(text):
        plain = text.lstrip("0") if re.match(r"0[0-9]+\Z", text) else ""
        count = plain if 0 < len(plain) < MOST_DIGITS else f"a count, as {key.example.strip('[]').split(',')[0]}"
        raise WrongInput(f"{shown(text)} is not a whole number", mend=f"write {count}")
    value = _whole(text, f"write at most {key.maximum:g}")
    _range(value, key)
    return value


def _number(text: str, key: Key) -> float:
    value = number(text)
    _range(value, key)
    return value


def _threads(text: str, key: Key) -> int | str:
    if text == "all":
        return text
    if not WHOLE.match(text):
        raise WrongInput(f"{shown(text)} is not a thread count", mend="write a count, or all")
    return _int(text, key)


def _bool(text: str, key: Key) -> bool:
    if text not in TRUTH:
        raise WrongInput(f"{shown(text)} is neither true nor false", mend="write true or false")
    return TRUTH[text]


def _enum(text: str, key: Key) -> str:
    if text not in key.choices:
        raise WrongInput(f"{shown(text)} is not a choice", mend=choose(text, key.choices))
    return text


def choose(word: str, known: tuple[str, ...]) -> str:
    """Name the nearest choice, or all of them in their own order."""
    near = did_you_mean(word[:200], known)
    return near if near.startswith("did") else f"write one of {', '.join(known)}"


def _text(text: str, key: Key) -> str:
    return text


def _line(text: str, key: Key) -> str:
    if len(text) > 200 or not text.strip() or any(c in text for c in "\n\r\t"):
        raise WrongInput(f"{shown(text)} is not one short line", mend=f"write it as {key.example}")
    return text


def _word(text: str, key: Key) -> str:
    if not WORD.match(text):
        raise WrongInput(f"{shown(text)} is not one word", mend=f"write letters, digits and -, as {key.example}")
    return text


def _device(text: str, key: Key) -> str:
    if not DEVICE.match(text):
        raise WrongInput(f"{shown(text)} is no device", mend="write auto, cpu, cuda or cuda:0")
    return text


def _recipe(text: str, key: Key) -> str:
    name = places.plain(text).removeprefix("recipes/")
    if not places.NAME.match(name) or ".." in text.split("/"):
        raise WrongInput(f"{shown(text)} is no recipe", mend="write the name of a folder in recipes/, as yolo")
    return name


def _sha256(text: str, key: Key) -> str:
    if not SHA256.match(text):
        raise WrongInput(f"{shown(text)} is no SHA-256", mend="write the 64 signs that doit inspect shows")
    return text.lower()


def _checked(text: str, fault: str) -> str:
    if not text.strip():
        raise WrongInput("is empty text", mend="write it, or leave the key out")
    if fault:
        what, _, mend = fault.partition("; ")
        raise WrongInput(f"{shown(text)} {what}", mend=mend)
    return text


SCALARS: dict[str, Callable[[str, Key], Any]] = {
    "text": _text,
    "line": _line,
    "word": _word,
    "int": _int,
    "number": _number,
    "threads": _threads,
    "bool": _bool,
    "enum": _enum,
    "device": _device,
    "recipe": _recipe,
    "sha256": _sha256,
    "url": lambda text, key: _checked(text, places.check_url(text)),
    "index": lambda text, key: _checked(text, places.check_index(text)),
    "links": lambda text, key: _checked(text, places.check_links(text)),
    "project": lambda text, key: _checked(text, places.check_project(text)),
    "rev": lambda text, key: _checked(text, places.check_rev(text)),
    "checkpoint": lambda text, key: _checked(text, places.check_checkpoint(text)),
    "interpreter": lambda text, key: _checked(text, places.check_interpreter(text)),
    "inside": lambda text, key: places.plain(_checked(text, places.check_inside(text))),
    "workspace": lambda text, key: places.plain(_checked(text, places.check_workspace(text))),
}
