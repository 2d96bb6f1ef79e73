"""What machine this is, told cheaply and without any framework."""

import os
from typing import Any


def gpus() -> list[str]:
    """Name the NVIDIA GPUs that the driver lists."""
    base = "/proc/driver/nvidia/gpus"
    try:
        return sorted(_model(f"{base}/{bus}/information") for bus in os.listdir(base))
    except OSError:
        return []


def facts() -> dict[str, Any]:
    """Describe the machine that a measured number belongs to."""
    return {
        "host": os.uname().nodename,
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_mib": memory_mib() // 100 * 100,  # a kernel update takes a few away
        "gpus": gpus(),
    }


def memory_mib() -> int:
    """Tell how much memory the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file.read(4096).splitlines():
                if line.startswith(("model name", "Model", "cpu model")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return os.uname().machine


def _model(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("Model:"):
                return line.split(":", 1)[1].strip()
    return "NVIDIA GPU"
