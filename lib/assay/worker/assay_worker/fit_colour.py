"""From pictures of one colour: which channel is which, and what is done to its value."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from assay_worker import stimuli
from assay_worker.fit_fact import fact, tidy, unknown

LUMA = {
    "luma 601": (0.299, 0.587, 0.114),
    "luma 709": (0.2126, 0.7152, 0.0722),
    "luma 709 of skimage": (0.2125, 0.7154, 0.0721),
    "mean": (1 / 3, 1 / 3, 1 / 3),
}
EXACT, ROUNDED, BROKEN = 0.02, 0.8, 2.0  # in levels of 0..255: as good as equal, bytes were rounded, something else
NEEDED = ("red", "green", "blue", "black", "mixed")
PURE = ("red", "green", "blue")
SHARED = "a grey picture and the Y of a full-range YCbCr are the same numbers"
MIXTURE = "the channels are a mixture of the colours that has no name here"
STUDIO = ((16.0, 235.0), (16 / 255, 235 / 255))  # black and white of a Y that keeps to its narrow range

Values = Dict[str, np.ndarray]


class Colour(NamedTuple):
    """What each channel holds (R, G, B, or L for a mix), and out = gain * level + offset where that holds."""

    affine: Optional[bool]
    reason: str
    evidence: List[str]
    letters: str = ""
    mix: str = ""
    gain: np.ndarray = np.zeros(0)
    offset: np.ndarray = np.zeros(0)
    residual: float = float("nan")
    pad: Optional[np.ndarray] = None
    exact: bool = False

    def levels(self, plane: np.ndarray) -> np.ndarray:
        """Bring a tensor [C, H, W] back to 0..255."""
        back: np.ndarray = (plane - self.offset[:, None, None]) / self.gain[:, None, None]
        return back

    def expected(self, picture: np.ndarray) -> np.ndarray:
        """Give the levels [C, H, W] that a picture of RGB has in the tensor's channels."""
        if self.mix:
            grey = picture.astype(np.float32) @ np.array(LUMA[self.mix], np.float32)
            return np.repeat(grey[None], len(self.letters), 0)
        return np.stack([picture[:, :, "RGB".index(letter)] for letter in self.letters]).astype(np.float32)


def pillow_y(picture: np.ndarray) -> np.ndarray:
    """Give Pillow's YCbCr Y of a picture of RGB, which is rounded like no other grey."""
    tables = [np.rint(np.arange(256) * share * 64).astype(int) for share in LUMA["luma 601"]]
    total: np.ndarray = sum(table[picture[..., k].astype(int)] for k, table in enumerate(tables))  # type: ignore[assignment]
    return total >> 6


def tell(planes: Values, grain: float = 0.0) -> Colour:
    """Fit the colours' map from pictures [C, H, W] of one colour each; grain is the tensor's relative precision."""
    solids = {name: planes[name] for name in NEEDED if name in planes}
    evidence = list(solids)
    sound = {name: plane for name, plane in solids.items() if np.isfinite(plane).all()}
    if not sound:
        return Colour(None, "no picture of one colour came through", evidence)
    values, pad, problem = _contents(sound)
    letters = _letters(values) if not problem else ""
    if len(sound) < len(solids):
        spoiled = ", ".join(name for name in solids if name not in sound)
        return Colour(False, "a picture of one colour becomes NaN or infinite: " + spoiled, evidence, letters)
    if len(solids) < len(NEEDED) and not problem:
        problem = "not enough colours came through: " + ", ".join(evidence)
    if problem:
        return Colour(None, problem, evidence, letters, pad=pad)
    fitted = _fitted(values, pad, letters)
    return fitted._replace(exact=bool(fitted.residual <= EXACT + 255 * grain))


def _fitted(values: Values, pad: Optional[np.ndarray], letters: str) -> Colour:
    evidence = list(values)
    outputs = np.stack(list(values.values()))
    span = np.ptp(outputs, axis=0)
    if (span <= 1e-6 * max(float(np.abs(outputs).max()), 1e-12)).any():
        return Colour(False, "a channel does not depend on the colour", evidence, letters, pad=pad)
    inputs = np.array([stimuli.COLOURS[name] + (1,) for name in values], float)
    weights = np.linalg.lstsq(inputs, outputs, rcond=None)[0]
    step = np.abs(weights[:3]).max(0)
    residual = float((np.abs(inputs @ weights - outputs).max(0) / np.maximum(step, span / 1e6)).max())
    if residual > BROKEN:
        why = "no factor and offset fit all the colours; off by %.3g levels" % residual
        return Colour(False, why, evidence, letters, residual=residual, pad=pad)
    if residual > ROUNDED:
        why = "the colours fit only within %.3g levels" % residual
        return Colour(None, why, evidence, letters, residual=residual, pad=pad)
    mix = "" if letters else _mix(weights[:3])
    if not letters and not mix:
        return Colour(None, MIXTURE, evidence, residual=residual, pad=pad)
    return _one_to_one(values, outputs, pad, letters, mix)


def _one_to_one(values: Values, outputs: np.ndarray, pad: Optional[np.ndarray], letters: str, mix: str) -> Colour:
    colours = np.array([stimuli.COLOURS[name] for name in values], float)
    if letters:
        variants = [colours[:, ["RGB".index(letter) for letter in letters]]]
    else:
        grey = colours @ np.array(LUMA[mix])
        greys = [np.rint(grey), grey, np.floor(grey), pillow_y(colours).astype(float)]
        variants = [np.repeat(v[:, None], outputs.shape[1], 1) for v in greys]
    fits = [_line(levels, outputs) for levels in variants]
    gain, offset, residual = min(fits, key=lambda each: each[2])
    if residual > ROUNDED:  # a matrix fitted, one factor a channel does not
        return Colour(None, MIXTURE, list(values), residual=residual, pad=pad)
    return Colour(True, "", list(values), letters or "L" * outputs.shape[1], mix, gain, offset, residual, pad)


def _line(levels: np.ndarray, outputs: np.ndarray) -> Tuple[np.ndarray, np.ndarray, float]:
    at, out = levels - levels.mean(0), outputs - outputs.mean(0)
    gain = (at * out).sum(0) / (at * at).sum(0)
    offset = outputs.mean(0) - gain * levels.mean(0)
    return gain, offset, float((np.abs(levels * gain + offset - outputs) / np.abs(gain)).max())


def _letters(values: Values) -> str:
    """Name the channels by the one pure colour that each of them sets apart from the other two."""
    if not all(name in values for name in PURE):
        return ""
    seen = np.stack([values[name] for name in PURE])  # colour, channel
    letters = ""
    for column in seen.T:
        gaps = [abs(column[(k + 1) % 3] - column[(k + 2) % 3]) for k in range(3)]
        one = int(np.argmin(gaps))
        if sorted(gaps)[1] <= 1e-6 * max(np.abs(column).max(), 1e-12) or gaps[one] > 1e-3 * max(gaps):
            return ""
        letters += "RGB"[one]
    return letters


def _mix(weights: np.ndarray) -> str:
    with np.errstate(all="ignore"):
        shares = weights / weights.sum(0)
    far = {name: float(np.abs(shares - np.array(wanted)[:, None]).max()) for name, wanted in LUMA.items()}
    best = min(far, key=lambda name: far[name])
    return best if far[best] < 0.0045 else ""


def _contents(solids: Values) -> Tuple[Values, Optional[np.ndarray], str]:
    """Give the one value that each picture became, and the value beside the picture that all of them share."""
    tolerance = 1e-4 * max(max(float(np.abs(plane).max()) for plane in solids.values()), 1e-12)
    found = {name: _clusters(plane, tolerance) for name, plane in solids.items()}
    pad = _shared([clusters for clusters in found.values() if len(clusters) > 1], tolerance)
    values = {}
    for name, clusters in found.items():
        rest = [(v, share) for v, share in clusters if pad is None or np.abs(v - pad).max() > tolerance]
        rest = rest or clusters
        beside = sum(share for _, share in clusters) - sum(share for _, share in rest)
        value, share = rest[0]
        if share < 0.9 * (1 - beside):
            return {}, pad, "a picture of one colour does not stay of one colour: " + name
        values[name] = value
    return values, pad, ""


def _shared(found: List[List[Tuple[np.ndarray, float]]], tolerance: float) -> Optional[np.ndarray]:
    """Give the one value that lies beside pictures of different colours; black on black shows none."""
    if len(found) < 2:
        return None
    common = [v for v, _ in found[0] if all(_has(clusters, v, tolerance) for clusters in found[1:])]
    return common[0] if len(common) == 1 else None


def _clusters(plane: np.ndarray, tolerance: float) -> List[Tuple[np.ndarray, float]]:
    rows = plane.reshape(plane.shape[0], -1).T
    left, found = rows, []  # type: ignore[var-annotated]
    while len(left) and len(found) < 4:
        value = left[len(left) // 2]
        same = np.abs(left - value).max(1) <= tolerance
        found.append((value, float(same.sum()) / len(rows)))
        left = left[~same]
    return sorted(found, key=lambda each: -each[1])


def _has(clusters: List[Tuple[np.ndarray, float]], value: np.ndarray, tolerance: float) -> bool:
    return any(np.abs(v - value).max() <= tolerance for v, _ in clusters)


def facts(colour: Colour, by_pillow: bool) -> List[Dict[str, Any]]:
    """Say what the colours tell: order, mean, std, scale."""
    told = [_affine(colour), _order(colour, by_pillow)]
    if not colour.affine or not colour.letters:
        return told + [unknown(name, colour.reason, colour.evidence) for name in ("pre.mean", "pre.std", "pre.scale")]
    if not colour.exact:
        why = "the colours fit only within %.3g levels" % colour.residual
        return told + [unknown(name, why, colour.evidence) for name in ("pre.mean", "pre.std", "pre.scale")]
    mean, std = statistics(colour)
    note = {"channels": colour.letters, **({"mix": colour.mix} if colour.mix else {})}
    common: Dict[str, Any] = {"evidence": colour.evidence, "residual": colour.residual, "detail": note}
    told.append(fact("pre.mean", mean, unit="0-255", **common))
    told.append(fact("pre.std", std, unit="0-255", **common))
    if any(mean) or len(set(std)) > 1:
        return told + [unknown("pre.scale", "not separable from mean and std", colour.evidence)]
    return told + [fact("pre.scale", float("%.6g" % (1 / std[0])), unit="per level of 0-255", **common)]


def statistics(colour: Colour) -> Tuple[List[float], List[float]]:
    """Give mean and std of each channel, in the tensor's order and in levels of 0..255."""
    spread = max(colour.residual, 1e-4)
    if studio(colour):
        return [0.0] * len(colour.gain), [tidy(219 / (255 * gain), spread) for gain in colour.gain]
    mean, std = -colour.offset / colour.gain, 1 / colour.gain
    return [tidy(v, spread) for v in mean], [tidy(v, spread * abs(v) / 255) for v in std]


def studio(colour: Colour) -> bool:
    """Tell whether a grey is the narrow-range Y: black 16 and white 235."""
    ends = np.stack([colour.offset, colour.offset + 255 * colour.gain], 1)
    return colour.mix == "luma 601" and any(np.allclose(ends, each, rtol=5e-3) for each in STUDIO)


def _affine(colour: Colour) -> Dict[str, Any]:
    good = None if np.isnan(colour.residual) else colour.residual
    return fact("pre.affine", colour.affine, evidence=colour.evidence, residual=good, reason=colour.reason)


def _order(colour: Colour, by_pillow: bool) -> Dict[str, Any]:
    # what is no plain factor may let one colour through and be no choice of channels all the same
    if not colour.letters or (not colour.affine and set(colour.letters) != set("RGB")):
        return unknown("pre.color", colour.reason or MIXTURE, colour.evidence)
    if not colour.mix:
        return fact("pre.color", colour.letters, evidence=[n for n in colour.evidence if n in PURE], residual=0.0)
    common: Dict[str, Any] = {"evidence": colour.evidence, "detail": {"mix": colour.mix, "channels": colour.letters}}
    if studio(colour):
        return fact("pre.color", "Y", residual=colour.residual, **common)
    if colour.mix != "luma 601":
        return fact("pre.color", "GRAY", residual=colour.residual, **common)
    if by_pillow:
        return fact("pre.color", "Y", residual=0.0, **common)
    return fact("pre.color", None, alternatives=["GRAY", "Y"], reason=SHARED, **common)
