"""The machine while measuring: what else it had to do."""

from __future__ import annotations

import os
import resource
from typing import Any


class Noise:
    """Two looks at the machine, before and after; nothing runs in between."""

    def __init__(self) -> None:
        self.load, self.steal, self.switches = _load(), _steal(), _switches()

    def answer(self) -> dict[str, Any]:
        """Say what happened since this was made."""
        steal = _steal()
        return {
            "load_before": self.load,
            "load_after": _load(),
            "involuntary_switches": _switches() - self.switches,
            "steal_ticks": None if steal is None or self.steal is None else steal - self.steal,
            "pressure": _pressure(),
            "governor": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not known",
        }


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _steal() -> int | None:
    words = _line("/proc/stat").split()
    return int(words[8]) if len(words) > 8 and words[0] == "cpu" else None


def _pressure() -> str:
    line = _line("/proc/pressure/cpu")
    return line if line else "not known"


def _line(path: str) -> str:
    try:
        with open(path) as f:
            return f.readline().strip()
    except OSError:
        return ""
