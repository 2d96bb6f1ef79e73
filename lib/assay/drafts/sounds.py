"""Sound that a run writes: the call of upstream's that writes it, given another file, and what stands in that."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping
from typing import Any

from assay.drafts.cut import CannotCut, place
from assay.drafts.flow import Line
from assay.drafts.observed import MISSING, Values, ident
from assay.drafts.program import Program, own_spans
from assay.drafts.reading import names
from assay.drafts.seen import Event, Span, is_json

FILE = ident("file", "h")
READ = "written_sound"
FIRST, FILES = ("soundfile.write", "scipy.io.wavfile.write"), ("file", "filename")  # where to write to comes first
# how a file is read as float32 in -1..1, samples by channels, and its rate
BY_WAVE = """\
        with wave.open(file) as sound:
            channels, rate = sound.getnchannels(), sound.getframerate()
            whole = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, channels)
        samples = whole.astype(np.float32) / 32768
"""
BY_SOUNDFILE = '        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)\n'
BY_SCIPY = """\
        rate, levels = wavfile.read(file)
        whole = {"uint8": (128, 1 << 7), "int16": (0, 1 << 15), "int32": (0, 1 << 31)}
        middle, largest = whole.get(str(levels.dtype), (0, 1))
        samples = (levels.reshape(len(levels), -1).astype(np.float32) - middle) / np.float32(largest)
"""
NEEDS = {
    BY_WAVE: ("np", "os", "tempfile", "wave"),
    BY_SOUNDFILE: ("os", "soundfile", "tempfile"),
    BY_SCIPY: ("np", "os", "tempfile", "wavfile"),
}
HELPER = '''\
def {name}(write):
    """Return the sound that a call writes to the file it is given: samples by channels in -1..1, and their rate."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "sound.wav")
        write(file)
{read}    return {{"sound": samples, "rate": rate}}
'''


def spots(program: Program, events: Iterable[Event]) -> dict[Span, Mapping[str, Any]]:
    """Give the calls in upstream's own statements under which sound was written, each with what is known of that."""
    holes = {place(p.hole) for p in program.pieces}
    found: dict[Span, Mapping[str, Any]] = {}
    for event in events:
        own = own_spans(program, event)
        if event.kind == "sink" and event.facts.get("sound") and own and own[-1] not in holes:
            found[own[-1]] = {**event.facts, "direct": event.steps[-1].span == own[-1]}
    return found


def answer(
    lines: list[Line], values: Values, wrote: Mapping[Span, Mapping[str, Any]], tainted: set[str]
) -> tuple[list[Line], ast.expr] | None:
    """Give the lines before the call that writes sound of the model's, and that call with a file of ours."""
    calls = [(i, n.value) for i, n in enumerate(x.node for x in lines) if isinstance(n, (ast.Expr, ast.Assign))]
    found = [(i, c) for i, c in calls if isinstance(c, ast.Call) and place(c) in wrote and names(c) & tainted]
    if len(found) > 1:
        raise CannotCut("several sounds are written: which of them is the answer is not clear")
    if not found:
        return None
    at, call = found[0]
    made = _elsewhere(call, values, wrote[place(call)], tainted)
    taking = ast.arguments(posonlyargs=[], args=[ast.arg(FILE)], kwonlyargs=[], kw_defaults=[], defaults=[])
    return lines[:at], ast.Call(ast.Name(READ, ast.Load()), [ast.Lambda(taking, made)], [])


def _elsewhere(call: ast.Call, values: Values, facts: Mapping[str, Any], tainted: set[str]) -> ast.Call:
    """Let a call write to another file: the argument that names where it wrote is replaced."""
    made = copy.deepcopy(call)
    given = [*made.args, *(k.value for k in made.keywords)]
    if facts["direct"] and facts["how"] in FIRST:  # the library's own
        chosen = made.args[:1] or [k.value for k in made.keywords if k.arg in FILES]
    else:
        wrote = (facts.get("args") or [None])[0]
        chosen = [a for a in given if wrote in _held(a, values)]
        chosen = chosen or [a for a in given if not names(a) & tainted and not _plain(a, values)]
    if len(chosen) != 1:
        raise CannotCut("it is not clear which argument of the call that writes the sound names the file")
    for k, argument in enumerate(made.args):
        made.args[k] = ast.Name(FILE, ast.Load()) if argument is chosen[0] else argument
    for keyword in made.keywords:
        keyword.value = ast.Name(FILE, ast.Load()) if keyword.value is chosen[0] else keyword.value
    return made


def _held(argument: ast.expr, values: Values) -> list[Any]:
    """Give what an argument was seen to be, as far as that is known."""
    if isinstance(argument, ast.Constant):
        return [argument.value]
    if isinstance(argument, ast.Attribute) and isinstance(argument.value, ast.Name):
        found = values.attribute(argument.value.id, argument.attr)
        return [] if found is MISSING else [found]
    return values.of(argument.id) if isinstance(argument, ast.Name) else []


def _plain(argument: ast.expr, values: Values) -> bool:
    """Tell a number or other setting, which no file's name is."""
    held = _held(argument, values)
    return bool(held) and all(is_json(v) and not isinstance(v, (str, dict)) for v in held)


def helper(hows: set[str]) -> tuple[str, tuple[str, ...]]:
    """Write the function that reads back what was written, with what it was written with; also name what it needs."""
    by = dict(zip(FIRST, (BY_SOUNDFILE, BY_SCIPY)))
    read = by.get(next(iter(hows)), BY_WAVE) if len(hows) == 1 else BY_WAVE
    return HELPER.format(name=READ, read=read), NEEDS[read]
