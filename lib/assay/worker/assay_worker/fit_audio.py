"""From sounds and the tensors they became: rate, window, scale, mixing, normalisation."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from assay_worker import stimuli
from assay_worker.fit_fact import Sample, fact, tell_dtype, unknown

Fact = Dict[str, Any]
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
SHORTEST = 64  # samples
TOLERANCE = 0.02  # of a rate or factor read off a ramp, whose ends ring when it is resampled
MONO, STEREO = ("noise16", "ramp8"), "ramp44"
MIXES = {1.0: "left channel", stimuli.RIGHT: "right channel", (1 + stimuli.RIGHT) / 2: "mean of the channels",
         1 + stimuli.RIGHT: "sum of the channels"}  # fmt: skip
IDS = ("pre.sample_rate", "pre.window", "pre.scale", "pre.affine", "pre.normalisation", "pre.mixing")


class Line(NamedTuple):
    """A ramp seen again: the rate it then has, and its factor."""

    rate: float
    gain: float


class Found(NamedTuple):
    """The noise seen again: its sample at the tensor's start, its factor, how well it fits."""

    start: int
    gain: float
    offset: float
    residual: float


def fit(samples: List[Sample]) -> List[Fact]:
    """Tell what is done to a sound before it reaches the model as this tensor."""
    told = [tell_dtype(samples)]
    names = [s.name for s in samples]
    rows, problem = _rows(samples)
    if problem:
        return told + [unknown(name, problem, names) for name in IDS]
    spoiled = [name for name, row in rows.items() if not np.isfinite(row).all()]
    sound = {name: row for name, row in rows.items() if name not in spoiled}
    noise = _noise(sound["noise16"][0]) if "noise16" in sound else None
    start = noise.start if noise else 0
    lines = {n: _line(sound[n][0], n, start) for n in ("ramp8", "ramp44") if n in sound}
    rate = _rate(sound, lines, noise)
    if noise is None and not rate["identified"] and not _follows(lines):
        why = "not a waveform: neither the noise nor the ramps are seen in it"
        return told + [unknown(name, why, names) for name in IDS]
    gains = {name: line.gain for name, line in lines.items() if line}
    if noise:
        gains["noise16"] = noise.gain
    normal = _normalisation(sound, gains, spoiled)
    told += [rate, *(_pieces(samples, noise) or [_window(sound, noise)]), normal, _affine(noise, normal, spoiled)]
    return told + [_scale(noise, gains, normal), _mixing(rows, gains, normal)]


def _rows(samples: List[Sample]) -> Tuple[Dict[str, np.ndarray], str]:
    rows = {}
    for name, tensor in samples:
        x = np.asarray(tensor, np.float64)
        x = x.reshape(-1) if _piece(tensor) else np.squeeze(x)
        x = x[None] if x.ndim == 1 else x
        if x.ndim != 2 or x.shape[0] > 2 or x.shape[1] < SHORTEST or (x.shape[0] == 2 and name != STEREO):
            return {}, "not a waveform: its shape is %s" % sorted({str(list(s.tensor.shape)) for s in samples})
        rows[name] = x
    return rows, ""


def _piece(tensor: np.ndarray) -> int:
    """Give the length of the equal pieces that a sound of one channel was cut into, one after the other; else 0."""
    cut = tensor.ndim == 3 and tensor.shape[1] == 1 and tensor.shape[2] >= SHORTEST
    return int(tensor.shape[2]) if cut else 0


def _pieces(samples: List[Sample], noise: Optional[Found]) -> List[Fact]:
    """Tell the length of the pieces, where the sounds gave different numbers of them, and what fills the last."""
    lengths, counts = {_piece(s.tensor) for s in samples}, {s.tensor.shape[0] for s in samples}
    evidence = [s.name for s in samples]
    if len(lengths) != 1 or 0 in lengths or len(counts) < 2:
        return []
    told = [fact("pre.window", lengths.pop(), unit="samples", evidence=evidence, residual=0.0)]
    if noise is None or noise.start:
        return told
    whole = np.asarray(next(s.tensor for s in samples if s.name == "noise16")).reshape(-1)
    rest = whole[stimuli.samples("noise16").shape[1] :]
    if len(rest) and (rest == rest[0]).all():
        told.append(fact("pre.pad", float(rest[0]), evidence=["noise16"], residual=0.0))
    return told


def _noise(row: np.ndarray) -> Optional[Found]:
    """Find the noise, sample by sample, in the tensor; None where it was resampled or is not there."""
    made = stimuli.samples("noise16")[0] / 32768.0
    count = 1 << int(np.ceil(np.log2(len(row) + len(made))))
    product = np.fft.irfft(np.fft.rfft(made, count) * np.conj(np.fft.rfft(row - row.mean(), count)), count)
    start = int(np.argmax(np.abs(product)))
    start = start - count if start > count // 2 else start
    low, high = max(0, -start), min(len(row), len(made) - start)
    if high - low < SHORTEST:
        return None
    x, y = made[start + low : start + high], row[low:high]
    gain = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    offset = float(y.mean() - gain * x.mean())
    if not gain:
        return None
    residual = float(np.abs(gain * x + offset - y).max() / abs(gain))
    return Found(start, gain, offset, residual) if residual < 1e-3 else None


def _line(row: np.ndarray, name: str, start: int) -> Optional[Line]:
    """Measure a ramp on the tensor's middle; None where it is not straight."""
    low, high = stimuli.RAMP_ENDS[name]
    count = stimuli.samples(name).shape[1]
    used = np.flatnonzero(np.abs(row) > 0)
    if len(used) < SHORTEST:
        return None
    first, last = max(int(used[0]), 0), int(used[-1])
    at = np.arange(first + (last - first) // 4, last - (last - first) // 4)
    slope, level = np.polyfit(at.astype(float), row[at], 1)
    if np.abs(slope * at + level - row[at]).max() > 0.01 * max(abs(level), abs(slope) * len(at)):
        return None
    gain = (level - slope * start) / low
    if abs(slope) < 1e-12 or not gain:
        return None
    return Line(gain * (high - low) * stimuli.rate(name) / (count - 1) / slope, gain)


def _seconds(name: str) -> float:
    return stimuli.samples(name).shape[1] / stimuli.rate(name)


def _near(a: float, b: float) -> bool:
    return abs(a / b - 1) <= TOLERANCE


def _follows(lines: Dict[str, Optional[Line]]) -> bool:
    return len(lines) == 2 and all(line and _near(line.rate, stimuli.rate(name)) for name, line in lines.items())


def _rate(rows: Dict[str, np.ndarray], lines: Dict[str, Optional[Line]], noise: Optional[Found]) -> Fact:
    evidence = sorted(rows)
    by_length = {name: row.shape[1] / _seconds(name) for name, row in rows.items()}
    whole = len({stimuli.rate(n) for n in rows}) > 1
    ramps = [line.rate for line in lines.values() if line]
    if whole and all(_near(r, stimuli.rate(name)) for name, r in by_length.items()):
        return unknown("pre.sample_rate", "the rate of the file is kept", evidence)
    if whole and max(by_length.values()) / min(by_length.values()) < 1.01:
        found = float(np.median(list(by_length.values())))
        how = "length"
    elif len(ramps) == 2 and max(ramps) / min(ramps) < 1 + TOLERANCE:
        found, how = float(np.mean(ramps)), "slope"
    elif _follows(lines):
        return unknown("pre.sample_rate", "the rate of the file is kept", evidence)
    else:
        return unknown("pre.sample_rate", "neither lengths nor ramps agree on one", evidence)
    near = [r for r in RATES if abs(found / r - 1) <= (0.005 if how == "length" else TOLERANCE)]
    if len(near) != 1 or (noise is not None and near[0] != 16000) or (noise is None and near[0] == 16000):
        return unknown("pre.sample_rate", "about %.5g, which the noise does not bear out" % found, evidence, near)
    return fact(
        "pre.sample_rate", near[0], unit="Hz", evidence=evidence, residual=abs(found / near[0] - 1), detail={"by": how}
    )


def _window(rows: Dict[str, np.ndarray], noise: Optional[Found]) -> Fact:
    lengths = {name: row.shape[1] for name, row in rows.items()}
    evidence = sorted(rows)
    if len(lengths) < 2:
        return unknown("pre.window", "only one sound came through", evidence)
    if len(set(lengths.values())) > 1:
        return unknown("pre.window", "the length follows the sound: %s" % sorted(lengths.items()), evidence)
    detail: Dict[str, Any] = {}
    if noise:
        detail["starts at"] = noise.start
    return fact("pre.window", lengths[evidence[0]], unit="samples", evidence=evidence, residual=0.0, detail=detail)


def _normalisation(rows: Dict[str, np.ndarray], gains: Dict[str, float], spoiled: List[str]) -> Fact:
    """Say by what each sound is divided, if by something of its own."""
    evidence = sorted(rows)
    loud = {name: row for name, row in rows.items() if np.ptp(row) > 0}
    if len(loud) < 2:
        return unknown("pre.normalisation", "too few sounds came through", evidence)
    same = all(name in gains for name in MONO) and _near(gains["noise16"], gains["ramp8"])
    if same and not spoiled:
        return fact(
            "pre.normalisation", "none", evidence=list(MONO), residual=abs(gains["noise16"] / gains["ramp8"] - 1)
        )
    measures = {
        "peak": [float(np.abs(row).max()) for row in loud.values()],
        "rms": [float(np.sqrt((row**2).mean())) for row in loud.values()],
        "mean and deviation": [float(row.std()) for row in loud.values() if abs(row.mean()) < 1e-3 * row.std()],
    }
    told = [n for n, v in measures.items() if len(v) == len(loud) and max(v) / max(min(v), 1e-12) < 1.001]
    if "mean and deviation" in told:  # then rms is the same thing
        told = ["mean and deviation"]
    if len(told) == 1:
        return fact(
            "pre.normalisation",
            told[0],
            evidence=evidence,
            residual=max(measures[told[0]]) / min(measures[told[0]]) - 1,
        )
    return unknown(
        "pre.normalisation", "the sounds do not keep one factor, and no measure of theirs explains it", evidence, told
    )


def _affine(noise: Optional[Found], normal: Fact, spoiled: List[str]) -> Fact:
    if spoiled:
        return fact("pre.affine", False, reason="becomes NaN or infinite: " + ", ".join(spoiled), evidence=spoiled)
    if normal["identified"] and normal["value"] != "none":
        return fact("pre.affine", False, reason="normalised by " + normal["value"], evidence=normal["evidence"])
    if noise is None or not normal["identified"]:
        return unknown("pre.affine", "the noise is not seen sample by sample", normal["evidence"])
    return fact("pre.affine", True, evidence=["noise16"], residual=noise.residual)


def _scale(noise: Optional[Found], gains: Dict[str, float], normal: Fact) -> Fact:
    if normal["value"] != "none":
        return unknown("pre.scale", "normalised, or not known whether", normal["evidence"])
    if noise is None:
        return unknown("pre.scale", "the sound is resampled, which blurs its factor", sorted(gains))
    if abs(noise.offset) > 1e-6 * abs(noise.gain):
        return unknown("pre.scale", "an offset of %.4g is added" % noise.offset, ["noise16"])
    value = float("%.6g" % (noise.gain / 32768))
    return fact("pre.scale", value, unit="per step of 16 bits", evidence=["noise16"], residual=noise.residual)


def _mixing(rows: Dict[str, np.ndarray], gains: Dict[str, float], normal: Fact) -> Fact:
    evidence = [STEREO]
    if STEREO not in rows:
        return unknown("pre.mixing", "the stereo sound did not come through", evidence)
    if rows[STEREO].shape[0] == 2:
        return fact("pre.mixing", "both channels", evidence=evidence)
    if normal["value"] != "none" or STEREO not in gains or "ramp8" not in gains:
        return unknown("pre.mixing", "how two channels become one is hidden by normalisation", evidence)
    share = gains[STEREO] / gains["ramp8"]
    told = [word for factor, word in MIXES.items() if abs(share - factor) < 0.03]
    if len(told) != 1:
        return unknown("pre.mixing", "the stereo ramp comes out times %.3g" % share, evidence, told)
    return fact("pre.mixing", told[0], evidence=evidence, residual=0.0)
