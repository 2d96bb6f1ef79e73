"""Pickle's opcodes, each as a step of the machine: all of protocols 0 to 5, none of which runs anything."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.formats.pickle_values import Blob, Malformed, Pairs

if TYPE_CHECKING:
    from assay.formats.pickle_machine import Machine

LONGEST_NUMBER = 1700  # bytes of an integer: those of more than 4,300 digits cannot be written down
NEWEST = 5


def _number(code: str) -> Callable[[Machine], Any]:
    size = struct.calcsize(code)
    return lambda m: struct.unpack(code, m.window.take(size))[0]


_u1, _u2, _u4, _i4, _u8, _f8 = map(_number, ("<B", "<H", "<I", "<i", "<Q", ">d"))


def _push(value: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    return lambda m: m.push(value(m))


def _long(m: Machine, length: int) -> int:
    if not 0 <= length <= LONGEST_NUMBER:
        raise Malformed(f"an integer of {length} bytes", m.window.at)
    return int.from_bytes(m.window.take(length), "little", signed=True)


def _decimal(m: Machine) -> int:
    text = m.window.line().rstrip(b"L")
    if len(text) > LONGEST_NUMBER:
        raise Malformed(f"an integer of {len(text)} digits", m.window.at)
    return int(text)


def _int(m: Machine) -> Any:
    line = m.window.line()
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _text_line(m: Machine) -> str | Blob:
    line = m.window.any_line()
    return line if isinstance(line, Blob) else line.decode("raw-unicode-escape")


def _quoted(m: Machine) -> str | Blob:
    line = m.window.any_line()
    if isinstance(line, Blob):
        return line
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise ValueError
    return bytes(codecs.escape_decode(line[1:-1])[0]).decode("latin-1")


def _proto(m: Machine) -> None:
    version = _u1(m)
    if version > NEWEST:
        raise Malformed(f"pickle protocol {version} is not known", m.window.at)


def _frame(m: Machine) -> None:
    length = _u8(m)
    if length > m.window.left:
        raise Malformed(f"truncated: a frame of {length} bytes, {m.window.left} there", m.window.at)


def _tuple(count: int) -> Callable[[Machine], None]:
    def step(m: Machine) -> None:
        values = [m.take() for _ in range(count)]
        m.push(tuple(reversed(values)))

    return step


def _dict(m: Machine) -> None:
    values = m.group()
    m.push(Pairs())
    m.update(values)


def _global(m: Machine) -> None:
    module, name = m.window.line(), m.window.line()
    m.push(m.name(module.decode("utf-8"), name.decode("utf-8")))


def _stack_global(m: Machine) -> None:
    name, module = m.take(), m.take()
    m.push(m.name(module, name))


def _inst(m: Machine) -> None:
    module, name = m.window.line(), m.window.line()
    m.call(m.name(module.decode("utf-8"), name.decode("utf-8")), tuple(m.group()))


def _obj(m: Machine) -> None:
    values = m.group()
    m.call(values[0], tuple(values[1:]))


def _reduce(m: Machine) -> None:
    args, func = m.take(), m.take()
    m.call(func, args)


def _newobj_ex(m: Machine) -> None:
    named, args, func = m.take(), m.take(), m.take()
    m.call(func, args, named=named != [])


def _extension(m: Machine) -> None:
    raise Malformed("names code by a number that only its writer knows (copyreg extension)", m.window.at)


def _pair(m: Machine) -> None:
    value, key = m.take(), m.take()
    m.update([key, value])


def _append(m: Machine) -> None:
    m.extend([m.take()])


def _pop_group(m: Machine) -> None:
    m.group()


def _text(length: Callable[[Machine], int]) -> Callable[[Machine], None]:
    return lambda m: m.push(m.window.keep(length(m), True))


def _bytes(length: Callable[[Machine], int]) -> Callable[[Machine], None]:
    return lambda m: m.push(m.window.keep(length(m), False))


def _old_text(length: Callable[[Machine], int]) -> Callable[[Machine], None]:
    """Read a str of Python 2: bytes that are taken as Latin-1."""

    def step(m: Machine) -> None:
        value = m.window.keep(length(m), False)
        m.push(value.decode("latin-1") if isinstance(value, bytes) else value)

    return step


STEPS: dict[bytes, Callable[[Machine], Any]] = {
    b"\x80": _proto,
    b"\x95": _frame,
    b"0": lambda m: m.drop(),
    b"1": _pop_group,
    b"2": lambda m: m.copy(),
    b"(": lambda m: m.mark(),
    b"F": _push(lambda m: float(m.window.line())),
    b"I": _push(_int),
    b"L": _push(_decimal),
    b"\x8a": _push(lambda m: _long(m, _u1(m))),
    b"\x8b": _push(lambda m: _long(m, _i4(m))),
    b"J": _push(_i4),
    b"K": _push(_u1),
    b"M": _push(_u2),
    b"G": _push(_f8),
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"S": _push(_quoted),
    b"T": _old_text(_i4),
    b"U": _old_text(_u1),
    b"B": _bytes(_u4),
    b"C": _bytes(_u1),
    b"\x8e": _bytes(_u8),
    b"\x96": _bytes(_u8),
    b"V": _push(_text_line),
    b"X": _text(_u4),
    b"\x8c": _text(_u1),
    b"\x8d": _text(_u8),
    b"\x98": lambda m: None,  # a buffer is made read-only
    b"]": _push(lambda m: []),
    b"a": _append,
    b"e": lambda m: m.extend(m.group()),
    b"l": _push(lambda m: m.group()),
    b")": _push(lambda m: ()),
    b"t": _push(lambda m: tuple(m.group())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"}": _push(lambda m: Pairs()),
    b"d": _dict,
    b"s": _pair,
    b"u": lambda m: m.update(m.group()),
    b"\x8f": _push(lambda m: []),  # a set: what is in it, in the order of the file
    b"\x90": lambda m: m.extend(m.group()),
    b"\x91": _push(lambda m: m.group()),
    b"g": lambda m: m.get(int(m.window.line())),
    b"h": lambda m: m.get(_u1(m)),
    b"j": lambda m: m.get(_u4(m)),
    b"p": lambda m: m.put(int(m.window.line())),
    b"q": lambda m: m.put(_u1(m)),
    b"r": lambda m: m.put(_u4(m)),
    b"\x94": lambda m: m.memoize(),
    b"\x82": _extension,
    b"\x83": _extension,
    b"\x84": _extension,
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"b": lambda m: m.build(),
    b"i": _inst,
    b"o": _obj,
    b"\x81": _reduce,
    b"\x92": _newobj_ex,
    b"P": _push(lambda m: m.sense.persistent(m.window.line().decode("utf-8"))),
    b"Q": _push(lambda m: m.sense.persistent(m.take())),
}
