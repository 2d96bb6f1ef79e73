"""Whether a command line would install packages: its words are read as a shell reads them, nothing is run."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any, Iterator, List, Sequence

INSTALLERS = re.compile(
    r"(pip|easy_install)(-?\d[\d.]*)?|uvx?|conda|mamba|micromamba|pixi|poetry|pdm|pipx|pipenv|ensurepip"
)
PYTHONS = re.compile(r"(python|pypy)\d*(\.\d+)*[a-z]*")
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "su")
KEYWORDS = ("if", "then", "elif", "else", "while", "until", "do", "!", "{", "builtin")
# programs that run another, with their options that take a word
RUNNERS = {"sudo": "ugpCcRhrtTU", "doas": "uC", "env": "uC", "nice": "n", "ionice": "cnp", "nohup": "", "setsid": ""}
RUNNERS.update(timeout="ks", time="fo", stdbuf="ioe", xargs="aEILnPsd", exec="a", command="")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)
OPTION = re.compile(r"-[A-Za-z?]*?([mcWX])(.*)", re.DOTALL)  # of a Python
INLINE = re.compile(r"\bpip\._internal|\bpip\.main\b|\bfrom\s+pip\b|run_module\(\s*['\"](ensure)?pip\b|\bensurepip\.")
NESTED = re.compile(r"\$\(([^)]*)|`([^`]*)`")
# what installs nothing
READS = (
    *("list", "freeze", "show", "check", "inspect", "help", "debug", "info", "version", "config", "search", "tree"),
    *("index", "cache", "hash", "completion", "activate", "deactivate"),
)
GROUPS = {"uv": ("pip", "tool", "python", "self"), "conda": ("env",), "mamba": ("env",), "micromamba": ("env",)}
GREEDY = ("uvx", "easy_install", "ensurepip")  # these install whatever follows
LONGEST, DEEPEST = 200, 8


def in_command(words: Sequence[Any], depth: int = 0) -> str:
    """Give the installer's part of a command, as one would type it; "" when it installs nothing."""
    left = _unwrapped([os.fsdecode(word) for word in words])
    if not left or depth > DEEPEST:
        return ""
    name = _base(left[0])
    if name in SHELLS:
        return _shell(left[1:], depth)
    if name == "eval":
        return in_shell(" ".join(left[1:]), depth + 1)
    if INSTALLERS.fullmatch(name):
        return _typed(left) if _installs(name, left[1:]) else ""
    if PYTHONS.fullmatch(name) or left[0] == sys.executable:
        return _typed(left) if _by_python(left[1:]) else ""
    return ""


def in_shell(text: str, depth: int = 0) -> str:
    """Do the same for a line or a whole script of the shell."""
    if depth > DEEPEST:
        return ""
    for words in _commands(text):
        inner = (found for word in words for pair in NESTED.findall(word) for found in pair if found)
        parts = [in_command(words, depth), *(in_shell(found, depth + 1) for found in inner)]
        if any(parts):
            return next(filter(None, parts))
    return ""


def _commands(text: str) -> Iterator[List[str]]:
    """Take a script apart where the shell begins another command."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=";&|()`\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        tokens = list(lexer)
    except ValueError:  # a quote that never closes
        tokens = re.findall(r"[;&|()`\n]+|[^\s;&|()`]+", text)
    words: List[str] = []
    for token in [*tokens, ";"]:
        if token.strip(";&|()`\n"):
            words.append(token)
        else:
            yield words
            words = []


def _unwrapped(words: List[str]) -> List[str]:
    """Leave out what stands before a command: keywords, settings, programs that only run another."""
    while words:
        name = _base(words[0])
        if words[0] in KEYWORDS or ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        elif name in RUNNERS:
            words = words[1:]
            while words and words[0].startswith("-"):
                words = words[2 if len(words[0]) == 2 and words[0][1] in RUNNERS[name] else 1 :]
            words = words[1:] if name == "timeout" else words
        else:
            break
    return words


def _shell(words: List[str], depth: int) -> str:
    """Look into `sh -c SCRIPT`."""
    for place, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[A-Za-z]*c", word):
            return in_shell(words[place + 1], depth + 1)
    return ""


def _installs(name: str, words: List[str]) -> bool:
    plain = [word for word in words if not word.startswith("-")]
    if name.startswith(GREEDY):
        return bool(plain) or (name == "ensurepip" and not {"--version", "--help", "-h"} & set(words))
    if plain and plain[0] in GROUPS.get(name, ()):
        plain = plain[1:]
    return bool(plain) and plain[0] not in READS


def _by_python(words: List[str]) -> bool:
    """Tell whether an interpreter is started to install: by -m, by -c, or with an installer's script."""
    while words:
        option = OPTION.fullmatch(words[0]) if not words[0].startswith("--") else None
        if option:
            value, words = (option[2], words[1:]) if option[2] else (words[1] if words[1:] else "", words[2:])
            if option[1] in "mc":
                name = value.partition(".")[0]
                return _installer(name, words) if option[1] == "m" else bool(INLINE.search(value))
        elif words[0].startswith("-"):
            words = words[1:]
        else:
            return _installer(_base(words[0]), words[1:])
    return False


def _installer(name: str, words: List[str]) -> bool:
    return bool(INSTALLERS.fullmatch(name)) and _installs(name, words)


def _base(word: str) -> str:
    name = word.rpartition("/")[2]
    return name[:-4] if name.endswith(".exe") else name


def _typed(words: List[str]) -> str:
    text = " ".join([_base(words[0]), *words[1:]])
    return " ".join(text.split())[:LONGEST]
