"""Keeps the model's code from installing packages: whoever starts an installer is refused, and it is remembered."""

from __future__ import annotations

import json
import mmap
import os
import sys
from typing import Any, Iterator, Optional

from assay_worker import distributions, installers
from assay_worker.faults import Fault, Places

RUNS_PIP = ("pip._internal.cli.main", "pip._internal.commands", "pip._internal.main", "conda.cli.main")
MOST, ROOM = 50, 1 << 16
WHO = {"upstream": "upstream's code", "adapter": "the adapter"}
OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Wish:
    """One attempt to install packages."""

    def __init__(self, command: str, owner: str, distribution: str, where: str) -> None:
        self.command, self.owner, self.distribution, self.where = command, owner, distribution, where
        self.told = False  # as an error or an outcome, so that no warning needs to


class Refusal(Fault):
    """What an attempt to install packages is answered with."""

    def __init__(self, wish: Wish) -> None:
        who = wish.distribution or WHO.get(wish.owner, "the model's code")
        super().__init__("refused", f"{who} wanted to install packages ({wish.command})", where=wish.where)
        self.wish = wish


class Guard:
    """Hears of every program that is started, and of pip when it is run in this process."""

    def __init__(self, places: Places) -> None:
        self.places, self.pid = places, os.getpid()
        self.wishes: dict[tuple[str, str], Wish] = {}
        self.of_children = mmap.mmap(-1, ROOM)  # shared with what is forked: os.spawn calls exec in a child

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Refuse what would install."""
        if event not in COMMANDS:
            return
        try:
            command = COMMANDS[event](*args)
        except (TypeError, ValueError, IndexError):
            return  # it will not start either
        if command:
            raise Refusal(self._kept(command))

    def _kept(self, command: str) -> Wish:
        owner, distribution, where = _caller(self.places)
        wish = Wish(self.places.scrub(command), owner, distribution, where)
        if os.getpid() == self.pid:
            if len(self.wishes) < MOST:
                self.wishes.setdefault((wish.where, wish.command), wish)
            return self.wishes.get((wish.where, wish.command), wish)
        self.of_children.seek(0)
        held = self.of_children.read().rstrip(b"\0")
        line = json.dumps([wish.command, owner, distribution, where]).encode() + b"\n"
        if len(held) + len(line) < ROOM:
            self.of_children[len(held) : len(held) + len(line)] = line
        return wish

    def all(self) -> list[Wish]:
        """List what was refused, here and in processes forked from here."""
        self.of_children.seek(0)
        for line in self.of_children.read().rstrip(b"\0").splitlines():
            wish = Wish(*json.loads(line))
            self.wishes.setdefault((wish.where, wish.command), wish)
        return list(self.wishes.values())


_guard: Optional[Guard] = None


def start(places: Places) -> None:
    """Refuse installing from now on; it cannot be taken back."""
    global _guard
    _guard = Guard(places)
    sys.addaudithook(_guard.hear)


def warnings() -> list[str]:
    """Say in a line each what was refused and is told nowhere else."""
    wishes = [wish for wish in _guard.all() if not wish.told] if _guard else []
    return [f"{_guard.places.scrub(w.where)} wanted to run: {w.command} (refused)".strip() for w in wishes]


def behind(error: BaseException) -> Optional[Refusal]:
    """Find the refusal by which something failed; an import that failed later says itself what is lacking."""
    for one in chain(error):
        if isinstance(one, Refusal):
            one.wish.told = True
            return one
        if isinstance(one, ImportError) and one.__cause__ is None:
            return None
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """Follow an error to those that it was raised from or in the handling of."""
    seen: set[int] = set()
    one: Optional[BaseException] = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


# ---------------------------------------------------------------- what is run
def _program(path: Any, words: Any, *_: Any) -> str:
    return installers.in_command([path, *list(words)[1:]])


def _imported(module: str, *_: Any) -> str:
    if not module.startswith(RUNS_PIP):
        return ""
    for frame in _frames():
        name, place = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
        given = frame.f_locals.get("args")
        if name.partition(".")[0] == "pip" and isinstance(given, (list, tuple)):
            return " ".join(["pip", *map(str, given)])[: installers.LONGEST]
        if name == "__main__" and place.endswith(os.path.join("pip", "__main__.py")):
            return " ".join(["pip", *sys.argv[1:]])[: installers.LONGEST]
    return f"import {module}"


COMMANDS = {
    "subprocess.Popen": _program,
    "os.exec": _program,
    "os.posix_spawn": _program,
    "os.spawn": lambda mode, *args: _program(*args),
    "os.system": lambda command, *_: installers.in_shell(os.fsdecode(command)),
    "import": _imported,
}


# ---------------------------------------------------------------- who runs it
def _frames() -> Iterator[Any]:
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _caller(places: Places) -> tuple[str, str, str]:
    """Name whose code asks, the distribution when it is one's, and the line of upstream's or the adapter's."""
    first = None
    for frame in _frames():
        path = frame.f_code.co_filename
        if path.startswith((OURS, "<")):
            continue
        owner, line = places.owner(path), f"{os.path.abspath(path)}:{frame.f_lineno}"
        found = None if owner else distributions.owner(path)
        if found and found.project == "pip":
            continue
        if first is None and (owner or found):
            first = (owner, found.name if found else "", line)
        if first and owner:
            return first[0], first[1], line
    return first or ("", "", "")
