"""Which of upstream's lines are executing: frames, exact spans of the calls, names of functions."""

from __future__ import annotations

import inspect
import sys
from types import CodeType, FrameType
from typing import Any, Dict, Iterator, List, Optional, Tuple

from assay_worker.tree_copy import Tree

Span = Tuple[int, int, int, int]


def frames(start: Optional[FrameType]) -> Iterator[FrameType]:
    """Go through a frame and those that called it, innermost first."""
    while start is not None:
        yield start
        start = start.f_back


def of_tree(tree: Tree, start: Optional[FrameType]) -> List[FrameType]:
    """List the frames of upstream's files, outermost first."""
    found = [frame for frame in frames(start) if tree.inner(frame.f_code.co_filename)]
    return found[::-1]


def span(frame: FrameType, spans: Dict[CodeType, List[Any]]) -> Dict[str, int]:
    """Give the span of the call that a frame is executing; before Python 3.11 only its line."""
    line = frame.f_lineno or 0
    if not hasattr(frame.f_code, "co_positions"):
        return {"line": line}
    if frame.f_code not in spans:
        spans[frame.f_code] = list(frame.f_code.co_positions())
    first, last, col, end = spans[frame.f_code][frame.f_lasti // 2]
    if None in (first, last, col, end):
        return {"line": line}
    return {"line": first, "end_line": last, "col": col, "end_col": end}


def qualname(frame: FrameType) -> str:
    """Name a frame's function with its class; Python says so itself from 3.11 on."""
    code = frame.f_code
    found = getattr(code, "co_qualname", None)
    if found:
        return str(found)
    one = first_argument(frame)
    for base in getattr(type(one), "__mro__", ()) if one is not None else ():
        made = base.__dict__.get(code.co_name)
        made = getattr(made, "__wrapped__", made)
        if getattr(made, "__code__", None) is code:
            return f"{base.__qualname__}.{code.co_name}"
    return code.co_name


def first_argument(frame: FrameType) -> Any:
    """Give what a frame's function has as its first argument, where that still has its name."""
    code = frame.f_code
    if not code.co_argcount:
        return None
    return frame.f_locals.get(code.co_varnames[0])


def arguments(frame: FrameType, skipped: int = 1) -> Dict[str, Any]:
    """Give a function's arguments by name, as they are now, without the first one of a method."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[skipped:count])
    known = frame.f_locals
    found = {name: known[name] for name in names if name in known}
    for flag, mark in ((inspect.CO_VARARGS, "*"), (inspect.CO_VARKEYWORDS, "**")):
        if code.co_flags & flag:
            name = code.co_varnames[count]
            count += 1
            if known.get(name):
                found[mark + name] = known[name]
    return found


def caller(skipped: Tuple[str, ...] = ()) -> Optional[FrameType]:
    """Find the nearest frame that is neither the worker's own nor of the named modules."""
    for frame in frames(sys._getframe(1)):
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("assay_worker") or name.partition(".")[0] in skipped:
            continue
        if frame.f_code.co_filename.startswith("<frozen"):
            continue
        return frame
    return None


def innermost(error: BaseException, tree: Tree) -> str:
    """Say at which line of the tree an error was raised, "" when it was at none."""
    found, at = "", error.__traceback__
    while at is not None:
        found = tree.where(at.tb_frame.f_code.co_filename, at.tb_lineno) or found
        at = at.tb_next
    if not found and isinstance(error, SyntaxError) and error.filename:
        found = tree.where(error.filename, error.lineno or 0)
    return found
