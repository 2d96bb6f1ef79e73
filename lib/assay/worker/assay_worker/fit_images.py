"""From pictures and the tensors they became: layout, size, colour, resizing, padding."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from assay_worker import fit_colour, fit_place, fit_trim, resampling, stimuli
from assay_worker.fit_colour import Colour
from assay_worker.fit_fact import Sample, equal, fact, tell_dtype, tidy, unknown
from assay_worker.fit_place import APART, LOOSE, Comparison, Match
from assay_worker.placing import Pair, Place, size_rules

Fact = Dict[str, Any]
Scale = Optional[Tuple[float, float]]
LAYOUTS = {
    4: [("NCHW", 1), ("NHWC", 3)],
    3: [("CHW", 0), ("HWC", 2)],
    2: [("HW", -1)],
}
LEAST = 4  # pixels a side, to be called a picture


class Planes(NamedTuple):
    """The first picture of each batch as [C, H, W]."""

    layout: str
    batch: Optional[int]
    planes: Dict[str, np.ndarray]
    problem: str


def fit(samples: List[Sample]) -> List[Fact]:
    """Tell what is done to a picture before it reaches the model as this tensor."""
    told = [tell_dtype(samples)]
    names = [s.name for s in samples]
    read = _planes(samples)
    if not read.planes:
        return told + [unknown("pre.layout", read.problem, names)]
    told += _layout(read, names)
    seen = [(stimuli.size(name), (p.shape[2], p.shape[1])) for name, p in read.planes.items()]
    size = _size(seen, names)
    if read.problem:
        return told + [size] + [unknown(name, read.problem, names) for name in REST]
    dtype = samples[0].tensor.dtype
    colour, scale, turn = _colour(read.planes, float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0)
    by_pillow = _is_pillow_y(read.planes, colour)
    told += [size] + fit_colour.facts(colour, by_pillow)
    if turn:
        return told + [unknown(name, "the picture comes " + turn, names) for name in PLACED]
    return told + _placing(read.planes, colour, scale, size)


PLACED = ("pre.resize", "pre.pad", "pre.interpolation")
REST = ("pre.affine", "pre.color", "pre.mean", "pre.std", "pre.scale") + PLACED


def _planes(samples: List[Sample]) -> Planes:
    shapes = [s.tensor.shape for s in samples]
    fitting = [
        (layout, axis)
        for layout, axis in LAYOUTS.get(len(shapes[0]), [])
        if all(len(s) == len(shapes[0]) and _is_picture(s, layout) for s in shapes)
    ]
    if len(fitting) != 1:
        why = "not one picture's tensor" if not fitting else "several layouts fit its shape"
        return Planes("", None, {}, "%s: %s" % (why, ", ".join(sorted({str(list(s)) for s in shapes}))))
    layout, _ = fitting[0]
    batched = layout.startswith("N")
    moved = {s.name: _moved(s.tensor, layout) for s in samples}
    counts = sorted({m.shape[0] for m in moved.values()})
    problem = ""
    if len(counts) > 1:
        problem = "the batch grows with the picture: %s" % counts
    elif counts[0] > 1:
        problem = _difference(moved)
    return Planes(
        layout, counts[0] if batched and len(counts) == 1 else None, {n: m[0] for n, m in moved.items()}, problem
    )


def _is_picture(shape: Tuple[int, ...], layout: str) -> bool:
    sides = [length for length, letter in zip(shape, layout) if letter in "HW"]
    channels = [length for length, letter in zip(shape, layout) if letter == "C"]
    return min(sides) >= LEAST and all(length in (1, 3) for length in channels)


def _moved(tensor: np.ndarray, layout: str) -> np.ndarray:
    x = np.asarray(tensor, np.float64)
    x = x if layout.startswith("N") else x[None]
    if layout == "HW":
        return x[:, None]
    return np.moveaxis(x, -1, 1) if layout.endswith("C") else x


def _difference(moved: Dict[str, np.ndarray]) -> str:
    """Say how the pictures of a batch differ from the first; nothing when they are copies."""
    if all(equal(m, np.repeat(m[:1], len(m), 0)) for m in moved.values()):
        return ""
    mirrored = all(len(m) == 2 and np.allclose(m[1], m[0][:, :, ::-1], equal_nan=True) for m in moved.values())
    count = len(next(iter(moved.values())))
    return (
        "the batch holds the picture and its mirror image" if mirrored else "the batch holds %d different views" % count
    )


def _layout(read: Planes, names: List[str]) -> List[Fact]:
    if read.layout in ("CHW",) and all(p.shape[0] == 1 for p in read.planes.values()):
        told = [
            fact(
                "pre.layout", None, alternatives=["CHW", "NHW"], reason="one channel, or a batch of one", evidence=names
            )
        ]
    else:
        told = [fact("pre.layout", read.layout, evidence=names, residual=0.0)]
    if read.batch is None:
        why = read.problem or "the tensor has no batch axis"
        return told + [unknown("pre.batch", why, names)]
    if read.batch == 3 and read.problem:
        return told + [unknown("pre.batch", "as many as a picture has colours: of a grey one it may be another", names)]
    note = {"elements": read.problem or ("copies" if read.batch > 1 else "one")}
    return told + [fact("pre.batch", read.batch, evidence=names, residual=0.0, detail=note)]


def _size(seen: List[Tuple[Pair, Pair]], names: List[str]) -> Fact:
    outs = sorted({out for _, out in seen})
    inputs = {size for size, _ in seen}
    if len(inputs) < 2:
        return unknown("pre.size", "only one size of picture came through", names)
    if len(outs) == 1:
        return fact("pre.size", [outs[0][1], outs[0][0]], unit="h, w", evidence=names, residual=0.0)
    rules = size_rules(sorted(set(seen)))
    if len(rules) == 1:
        return fact("pre.size", rules[0], evidence=names, residual=0.0)
    told = "; ".join("%dx%d became %dx%d" % (a + b) for a, b in sorted(set(seen)))
    why = "no rule tried fits" if not rules else "several rules fit"
    return unknown("pre.size", "%s: %s (width x height)" % (why, told), names, rules)


def _colour(planes: Dict[str, np.ndarray], grain: float) -> Tuple[Colour, Scale, str]:
    colour = fit_colour.tell(planes, grain)
    if not colour.affine or not len(colour.gain):
        return colour, None, ""
    if "chart" not in planes:
        return _doubted(colour, "the chart did not come through"), None, ""
    problem = fit_place.stretched(planes, colour)
    if not problem and not colour.mix and not {"R", "G"} <= set(colour.letters):
        return colour, None, ""
    if problem:
        return _doubted(colour, problem), None, ""
    scale, turn, problem = fit_place.measured(planes["chart"], colour)
    if turn:
        return colour, None, turn
    if not problem and scale is not None:
        problem = fit_place.bent(planes["chart"], colour, scale)
    return (_doubted(colour, problem), None, "") if problem else (colour, scale, "")


def _doubted(colour: Colour, reason: str) -> Colour:
    return colour._replace(affine=None, reason=reason)


def _is_pillow_y(planes: Dict[str, np.ndarray], colour: Colour) -> bool:
    """Tell whether grey is rounded as in Pillow's YCbCr and not as in its L; only pixels passed on can show it."""
    plane = planes.get("noise")
    width, height = stimuli.size("noise")
    if not colour.affine or colour.mix != "luma 601" or plane is None or plane.shape[1:] != (height, width):
        return False
    picture = stimuli.pixels("noise")
    seen, plain = np.rint(colour.levels(plane)[0]), colour.expected(picture)[0]
    greys = (np.rint(plain), np.floor(plain + 1e-3))
    return bool((seen == fit_colour.pillow_y(picture)).all() and not any((seen == grey).all() for grey in greys))


def _placing(planes: Dict[str, np.ndarray], colour: Colour, scale: Scale, size: Fact) -> List[Fact]:
    if "noise" not in planes:
        return [unknown(name, "the noise did not come through", list(planes)) for name in PLACED]
    fixed = isinstance(size["value"], list)
    for guise in _guises(colour, planes["noise"].shape[0]):
        places, on_chart = _places(planes, guise, scale, fixed)
        found, rough = _compared(planes["noise"], guise, places)
        if fixed and scale is not None and not fit_place.exact(found):
            cut, _ = _compared(planes["noise"], guise, fit_trim.places(planes["chart"], guise))
            found = cut if fit_place.exact(cut) else found
        if found or rough:
            break
    else:
        why = "no way tried of placing and resizing gives what came out"
        return [unknown(name, why, ["chart", "noise"]) for name in PLACED]
    same = fit_place.exact(found)
    modes = {m.place.mode for m in same} or on_chart
    return [
        _resize(modes, [m.place for m in same] or rough, same, size),
        _pad(planes, colour, modes, [m.place for m in same] or rough),
        _interpolation(found, same),
    ]


def _guises(colour: Colour, channels: int) -> List[Colour]:
    if colour.letters:
        return [colour]
    if channels == 1:
        return [colour._replace(letters="L", mix="luma 601")]
    return [colour._replace(letters=letters) for letters in ("RGB", "BGR")] if channels == 3 else []


def _places(planes: Dict[str, np.ndarray], colour: Colour, scale: Scale, fixed: bool) -> Tuple[List[Place], Set[str]]:
    noise = planes["noise"]
    out = (noise.shape[2], noise.shape[1])
    scales: List[Scale] = [None]
    modes: Set[str] = set()
    if scale is not None:
        chart = planes["chart"]
        kept = fit_place.proposals("chart", (chart.shape[2], chart.shape[1]), scale)
        modes = {p.mode for p in fit_place.on_chart(chart, colour, kept)}
        scales += fit_place.carried_over(scale, (chart.shape[2], chart.shape[1]), out)
    found: List[Place] = []
    for each in scales:
        for place in fit_place.proposals("noise", out, each):
            never = not fixed and place.how.endswith("never enlarged")
            if place not in found and not never and (scale is None or place.mode in modes):
                found.append(place)
    return found, modes


def _compared(plane: np.ndarray, colour: Colour, places: List[Place]) -> Tuple[List[Match], List[Place]]:
    comparison = Comparison(plane, colour, resampling.Cache())
    scored = sorted(((comparison.explained(p), i) for i, p in enumerate(places)), reverse=True)
    rough = [places[i] for score, i in scored if score >= max(LOOSE, scored[0][0] - 0.15)]
    found = []
    for place in rough[:8]:
        methods = [resampling.SMOOTH] if place.keeps_pixels() else range(len(resampling.METHODS))
        tried = (comparison.try_one(place, method) for method in methods)
        found += [match for match in tried if match is not None]
    return found, rough


def _resize(modes: Any, places: List[Place], same: List[Match], size: Fact) -> Fact:
    evidence = ["chart", "noise"]
    if not modes:
        return unknown("pre.resize", "no way tried of placing the picture gives what came out", evidence)
    if len(modes) > 1:
        return fact(
            "pre.resize", None, alternatives=sorted(modes), reason="not told apart by these pictures", evidence=evidence
        )
    mode = next(iter(modes))
    rules = size["alternatives"] or [str(size["value"] or "")]
    if mode == "squash" and not isinstance(size["value"], list):
        if not all(rule.startswith("short side") for rule in rules):
            return unknown("pre.resize", size["reason"] or "resized as a whole by the rule: " + rules[0], evidence)
        mode = "short-side"
    hows = sorted({p.how for p in places if p.how})
    off = min((m.off for m in same), default=None)
    cut = " or ".join(how for how in hows if how.startswith(fit_trim.REST))
    detail = {"how": hows} if hows else {}
    return fact("pre.resize", mode, evidence=evidence, residual=off, reason=cut, detail=detail)


def _pad(planes: Dict[str, np.ndarray], colour: Colour, modes: Any, places: List[Place]) -> Fact:
    evidence = colour.evidence
    if len(modes) != 1:
        return unknown("pre.pad", "it is not known how the picture is placed", evidence)
    if modes <= {"squash", "crop"} or (modes == {"none"} and not any("padded" in p.how for p in places)):
        return unknown("pre.pad", "nothing is padded", evidence)
    if colour.pad is None:
        return unknown("pre.pad", "what lies beside the picture is not of one value", evidence)
    if not colour.affine or not len(colour.gain):
        return unknown("pre.pad", "the values cannot be brought back to 0-255", evidence)
    levels = (colour.pad - colour.offset) / colour.gain
    pad = [tidy(v, 1e-4) for v in levels]
    return fact("pre.pad", pad[0] if len(set(pad)) == 1 else pad, unit="0-255", evidence=evidence, residual=0.0)


def _interpolation(found: List[Match], same: List[Match]) -> Fact:
    evidence = ["noise"]
    if same and all(m.place.keeps_pixels() for m in same):
        return unknown("pre.interpolation", "nothing is resized", evidence)
    if found and max(m.swing for m in found) < fit_place.TELLING:
        return unknown("pre.interpolation", "too little of the noise is left at this size", evidence)
    if not same:
        best = min(found, key=lambda m: m.off) if found else None
        note = (
            "; the nearest, %s, misses by %.3g levels" % (resampling.METHODS[best.method].value, best.off)
            if best
            else ""
        )
        return unknown("pre.interpolation", "no resizer tried reproduces the noise" + note, evidence)
    rivals = fit_place.words([m for m in found if m.off <= APART])
    told = fit_place.words(same)
    off = min(m.off for m in same)
    if len(rivals) > 1:
        why = "several resizers reproduce the noise to rounding"
        return fact("pre.interpolation", None, alternatives=sorted(rivals), reason=why, residual=off, evidence=evidence)
    word, whose = next(iter(told.items()))
    antialias = {resampling.METHODS[m.method].antialias for m in same}
    detail = {"as in": whose, "antialias": antialias.pop() if len(antialias) == 1 else None}
    return fact("pre.interpolation", word, residual=off, evidence=evidence, tries=len(found), detail=detail)
