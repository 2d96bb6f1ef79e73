"""How numbers are written: the interval decides the digits."""

import math
import re

SIGNIFICANT = 3  # digits of a number that has no interval
MOST = 6  # digits of a number whose interval is next to nothing
TINY = 1e-4  # below, as 4.37e-12

OPERATORS = {"<=": "at most", "<": "below", ">=": "at least", ">": "above"}
METRIC_UNITS = {
    "latency_ms": "ms",
    "uncontended_ms": "ms",
    "cold_start_ms": "ms",
    "throughput": "items/s",
    "throughput_per_s": "items/s",
    "peak_ram_mib": "MiB",
    "peak_vram_mib": "MiB",
}


def decimals(value: float, low: float | None = None, high: float | None = None) -> int:
    """Count the decimals a number deserves: two significant digits of its interval, else three of its own."""
    width = abs(high - low) if low is not None and high is not None else 0.0
    size = math.floor(math.log10(abs(value))) if value else 0
    if width > 0:
        return min(1 - math.floor(math.log10(width)), max(0, MOST - 1 - size))
    return max(0, SIGNIFICANT - 1 - size) if value else 0


def number(value: float, places: int | None = None) -> str:
    """Write a number with so many decimals; a negative count rounds to tens, hundreds and so on."""
    if isinstance(value, int) and places is None:
        return str(value)
    if places is None:
        places = decimals(value)
    if 0 < abs(value) < TINY and places > 0:
        return _tiny(value, places)
    text = f"{round(value, places):.{max(0, places)}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _tiny(value: float, places: int) -> str:
    """Write a very small number with its power of ten; one that is nothing at so many decimals as 0."""
    digits = places + math.floor(math.log10(abs(value)))
    if digits < 0:
        return number(0.0, min(places, SIGNIFICANT))
    return re.sub(r"e([+-])0*", r"e\1", f"{value:.{digits}e}")


def exact(value: float) -> str:
    """Write a number that was set, not measured: no digit is lost that a person wrote."""
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def interval(value: float, low: float | None, high: float | None) -> tuple[str, str, str]:
    """Write a value and both ends of its interval with the same decimals; the ends are empty when there is none."""
    places = decimals(value, low, high)
    if low is None or high is None:
        return number(float(value), places), "", ""
    return number(float(value), places), number(float(low), places), number(float(high), places)


def with_unit(text: str, unit: str) -> str:
    """Put a unit behind a number."""
    return f"{text} {unit}" if unit else text


def metric_unit(metric: str) -> str:
    """Name the unit of a target's metric: latency_ms.p50 is in ms; a quality figure has none."""
    return METRIC_UNITS.get(metric.split(".", 1)[0], "")
