"""What one run of upstream's own script did: events in order, the frames they came from, what had to be put right."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import threading
from types import CodeType, FrameType
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from assay_worker import stack
from assay_worker.arrays import Arrays
from assay_worker.plainly import Plainly
from assay_worker.tree_copy import Tree, full

OUTER = 2  # functions whose variables are told at the end
MOST_EVENTS, MOST_OF_ONE, MOST_CALLS, MOST_LOCALS = 3000, 200, 32, 400
Event = Dict[str, Any]


class Stop(BaseException):
    """Ends a run that has shown what it was run for; upstream's `except Exception` does not hold it up."""


class Refused(OSError):
    """What upstream's code wanted and is not given: the network, another program."""


class Watch:
    """The record of one run."""

    def __init__(self, tree: Tree, request: Dict[str, Any], own_stat: Any = os.stat) -> None:
        self.tree, self.request, self.stat = tree, request, own_stat
        self.arrays, self.plainly = Arrays(), Plainly(self._special)
        self.events: List[Event] = []
        self.counts: Dict[Tuple[str, str], int] = {}
        self.frames: Dict[str, Dict[str, Any]] = {}
        self.interventions: List[Dict[str, str]] = []
        self.modules: List[Any] = []  # kept alive: they are known by id
        self.ids: Dict[int, str] = {}
        self.inner: List[Event] = []  # modules built within another
        self.refusals: List[str] = []
        self.source, self.after = "", {}  # type: str, Dict[str, Any]
        self.wanted = ""  # the one weights file that is not there, for which the checkpoint stands in
        self.calls, self.begun, self.called_at, self.ended = 0, 0, "", False
        self.mains: Set[str] = set()  # calls of the model with the checkpoint
        self.answers: Any = None  # tensors that rest on its answers, where steps are heard
        self.loaded: List[Any] = []  # modules that have the checkpoint's weights
        self.origins: Dict[int, str] = {}  # where a tensor's numbers lie -> the file they came from
        self.covered: Set[int] = set()  # parameters that some file gave
        self.wishes: List[str] = []  # weights that were wanted and are not here
        self.emptied: List[Any] = []  # parameters that were to have them
        self.followed: Dict[type, Dict[str, Any]] = {}
        self.waiting: Any = None
        self.noted: Dict[str, None] = {}
        self.told_checkpoint = any("@checkpoint" in str(word) for word in request.get("argv") or [])
        self.told_input = bool({"@input", "@inputdir"} & set(request.get("argv") or []))
        self._reads: Set[Tuple[str, str, str]] = set()
        self._held: Dict[int, Tuple[FrameType, str]] = {}
        self._spans: Dict[CodeType, List[Any]] = {}
        self._local = threading.local()

    # ------------------------------------------------------------ events
    def event(self, event: Event, frame: Optional[FrameType] = None) -> Event:
        """Add an event with the stack it came from; beyond what is sensible it is only counted."""
        kind = (str(event["is"]), str(event.get("how", "")))
        self.counts[kind] = self.counts.get(kind, 0) + 1
        limit = MOST_EVENTS if event["is"] != "sink" else MOST_OF_ONE
        if self.ended or self.counts[kind] > limit or len(self.events) >= MOST_EVENTS:
            return event
        event.update(n=len(self.events) + len(self.inner), stack=self.stack(frame or sys._getframe(1)))
        self.events.append(event)
        return event

    def inner_event(self, event: Event, frame: Optional[FrameType]) -> None:
        """Keep the construction of a module within another, in case that it is the one that matters."""
        if len(self.inner) < MOST_EVENTS and not self.ended:
            event.update(n=len(self.events) + len(self.inner), stack=self.stack(frame))
            self.inner.append(event)

    def stack(self, frame: Optional[FrameType]) -> List[Dict[str, Any]]:
        """Give upstream's frames, outermost first, with what each is executing."""
        found = stack.of_tree(self.tree, frame)
        return [dict(stack.span(one, self._spans), frame=self.frame(one)) for one in found]

    def frame(self, frame: FrameType) -> str:
        """Name a frame; it is kept, so that no other gets its name."""
        if id(frame) not in self._held:
            name = f"f{len(self._held) + 1}"
            self._held[id(frame)] = (frame, name)
            code = frame.f_code
            self.frames[name] = {
                "file": f"{self.tree.name}/{self.tree.inner(code.co_filename)}",
                "qualname": stack.qualname(frame),
                "first_line": code.co_firstlineno,
                "module": str(frame.f_globals.get("__name__", "")),
                "locals": {},
            }
        return self._held[id(frame)][1]

    def see_locals(self, frame: Optional[FrameType]) -> None:
        """Keep the locals of upstream's frames as they are now."""
        for one in stack.of_tree(self.tree, frame):
            self.frames[self.frame(one)]["locals"] = self.locals(one.f_locals)

    def locals(self, found: Dict[str, Any]) -> Dict[str, Any]:
        """Give variables as plain data."""
        names = [n for n in list(found) if not n.startswith(("__", "."))][:MOST_LOCALS]
        return {name: self.plain(found[name]) for name in names}

    # ------------------------------------------------------------ interventions
    def intervene(self, what: str, code: str = "", where: str = "") -> None:
        """Say what was put right so that the run could go on, once for each line."""
        found = {"what": self.tree.scrub(what) or what, "where": where or self.where(), "code": code}
        if found not in self.interventions and len(self.interventions) < MOST_OF_ONE:
            self.interventions.append(found)

    def refuse(self, what: str) -> Refused:
        """Remember what was refused; give the error to raise."""
        if what not in self.refusals:
            self.refusals.append(what)
        return Refused(what)

    def where(self) -> str:
        """Name the innermost line of upstream's that is executing."""
        found = stack.of_tree(self.tree, sys._getframe(1))
        return self.tree.where(found[-1].f_code.co_filename, found[-1].f_lineno or 0) if found else ""

    def by_tree(self, *skipped: str) -> bool:
        """Tell whether upstream's own line makes the call at hand, and not a library for it."""
        found = stack.caller(skipped)
        return found is not None and bool(self.tree.inner(found.f_code.co_filename))

    # ------------------------------------------------------------ being inside
    @property
    def busy(self) -> bool:
        """Tell whether something that is being recorded is under way in this thread."""
        return bool(getattr(self._local, "depth", 0))

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Record nothing that happens within."""
        self._local.depth = getattr(self._local, "depth", 0) + 1
        try:
            yield
        finally:
            self._local.depth -= 1

    def listening(self) -> bool:
        """Tell whether a call of a module is news: none is under way, or one that was given no tensors."""
        under_way = getattr(self._local, "calls", [])
        return not self.ended and (not under_way or (len(under_way) == 1 and not under_way[0][1]))

    def within(self) -> str:
        """Name the call that is under way, "" when none is."""
        under_way = getattr(self._local, "calls", [])
        return under_way[-1][0] if under_way else ""

    def in_model(self) -> bool:
        """Tell whether a call of the model with the checkpoint is under way."""
        return any(call in self.mains for call, _ in getattr(self._local, "calls", []))

    def entered(self, call: str, tensors: bool) -> None:
        """Hear that a call is under way, and whether it was given tensors."""
        self._local.calls = [*getattr(self._local, "calls", []), (call, tensors)]

    def left(self) -> None:
        """Hear that a call ended."""
        self._local.calls = self._local.calls[:-1]

    @contextlib.contextmanager
    def modelling(self, call: str, tensors: bool) -> Iterator[None]:
        """Have a call under way within."""
        self.entered(call, tensors)
        try:
            yield
        finally:
            self.left()

    # ------------------------------------------------------------ values
    def plain(self, value: Any) -> Any:
        """Give a value as plain data; recording nothing meanwhile."""
        with self.inside():
            return self.plainly.of(value)

    def plains(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Dict[str, Any]:
        """Give a sink's arguments as plain data; of its pictures only what they are."""
        self.arrays.small = True
        try:
            return {"args": [self.plain(one) for one in args], "kwargs": {k: self.plain(v) for k, v in kwargs.items()}}
        finally:
            self.arrays.small = False

    def whole(self, value: Any) -> Any:
        """Give what the model was given or made as plain data, its tensors whatever their size."""
        self.arrays.whole = self.calls <= MOST_CALLS
        try:
            return self.plain(value)
        finally:
            self.arrays.whole = False

    def _special(self, value: Any) -> Any:
        if isinstance(value, (str, os.PathLike)):
            name = self.file(value)
            return {"path": name} if name else self.tree.scrub(value) if isinstance(value, str) else None
        if id(value) in self.ids:
            return {"module": self.ids[id(value)]}
        return self.arrays.described(value)

    def file(self, value: Any) -> str:
        """Name the file of ours that a text or path names; "" when it is any other text."""
        text = os.fspath(value)
        if not isinstance(text, str) or not text or len(text) > 1000 or "\0" in text or "\n" in text:
            return ""
        path = full(text) or ""
        if not os.path.isabs(text):
            if "." not in os.path.basename(text) and os.sep not in text:
                return ""  # a word that happens to be a file's name
            if not self.exists(path):
                return ""
        return self.tree.named(path)

    def module(self, value: Any) -> str:
        """Name a module of torch; it is kept."""
        if id(value) not in self.ids:
            self.modules.append(value)
            self.ids[id(value)] = f"m{len(self.modules)}"
        return self.ids[id(value)]

    def is_of_tree(self, kind: type) -> bool:
        """Tell whether a class is upstream's own."""
        return bool(self._file_of(kind))

    def _file_of(self, kind: type) -> str:
        module = sys.modules.get(kind.__module__)
        file = getattr(module, "__file__", None) or ""
        return self.tree.inner(os.path.abspath(file)) if file else ""

    def class_of(self, value: Any) -> Dict[str, Any]:
        """Say of what class a value is, and where that is written when it is upstream's."""
        kind, inner = type(value), self._file_of(type(value))
        known = {"module": kind.__module__, "qualname": kind.__qualname__, "line": _line(kind) if inner else 0}
        return dict(known, file=f"{self.tree.name}/{inner}" if inner else "")

    # ------------------------------------------------------------ the end
    def reading(self, name: str, asked: str = "", how: str = "") -> None:
        """Hear that an input is about to be read: after a call of the model the next item is where to stop.

        What was read before and is read again at another place is the same item, wanted for drawing.
        Calls before the first was read were made to warm up.
        """
        site = (asked, how, self.where())
        again = asked in {one[0] for one in self._reads} and site not in self._reads
        if name == "@input" and not self._reads:
            self.calls, self.called_at = 0, self.called_at and "other"
        if name == "@input" and self.calls and not again and self.request.get("stop", "call") != "end":
            raise Stop
        if name == "@input":
            self._reads.add(site)

    @property
    def has_read(self) -> bool:
        """Tell whether the input was read by now."""
        return bool(self._reads)

    def note(self, path: str) -> None:
        """Say that a file is read by code that Python does not see."""
        self.noted[self.tree.original(path)] = None

    def exists(self, path: str) -> bool:
        """Tell whether a file is there, asking without any patch."""
        try:
            self.stat(path)
        except (OSError, ValueError):
            return False
        return True

    def record(self) -> Dict[str, Any]:
        """Give what is recorded so far."""
        named = {str(e.get("into") or e.get("module")) for e in self.events if e["is"] in ("load", "call")}
        events = self.events + [e for e in self.inner if e["id"] in named]
        events = [dict(e) for e in sorted(events, key=lambda e: int(e["n"]))]
        named |= {str(e["id"]) for e in events if e["is"] == "construct"}
        classes = {self.ids[id(m)]: self.class_of(m) for m in self.modules if self.ids[id(m)] in named}
        for event in events:
            del event["n"]
            if event["is"] == "construct":
                event["class"] = classes[event["id"]]
        counts = {":".join(filter(None, key)): n for key, n in self.counts.items()}
        known = {"interventions": self.interventions, "classes": classes, "counts": counts}
        seen = {at["frame"] for event in events for at in event["stack"]}
        frames = {name: one for name, one in self.frames.items() if name in seen or one["locals"]}
        return dict(known, frames=frames, events=events, source=self.source, after=self.after, ends=self.ends())

    def ends(self) -> List[Dict[str, Any]]:
        """Give the variables of upstream's outermost functions as they were left: what they made of the answer."""
        at_work = [frame for frame, name in self._held.values() if self.frames[name]["locals"]]
        at_work.sort(key=lambda frame: len(list(stack.frames(frame))))
        outer = [frame for frame in at_work[:OUTER] if frame.f_code.co_varnames[:1] != ("self",)]
        return [self.locals(frame.f_locals) for frame in outer]


def _line(kind: type) -> int:
    try:
        return inspect.getsourcelines(kind)[1]
    except (OSError, TypeError, IndexError):
        return 0
