"""Peak memory by phase: the kernel's own high-water mark, reset before each phase; and what the GPU holds."""

from __future__ import annotations

import os
import sys
from typing import Any

NO_MARK = "this system keeps no resettable high-water mark of memory"
PHASES = ("ram_idle_mib", "ram_build_mib", "ram_first_mib", "ram_steady_mib")


class Peaks:
    """The highest memory of each phase, in MiB."""

    def __init__(self) -> None:
        self.mib: dict[str, float | None] = {name: None for name in PHASES}
        self.resets = _reset()

    def close(self, phase: str) -> None:
        """End a phase: read its peak and begin the next one."""
        self.mib[phase] = _peak() if self.resets else None
        self.resets = self.resets and _reset()

    def answer(self) -> dict[str, Any]:
        """Give RAM and GPU figures; in place of one that is not there, the reason."""
        ram = {name: {"reason": NO_MARK} if value is None else value for name, value in self.mib.items()}
        return dict(ram, **_gpu())


def _reset() -> bool:
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        return False
    return True


def _peak() -> float | None:
    # Not ru_maxrss: a child inherits its parent's there.
    try:
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def _gpu() -> dict[str, Any]:
    allocated, reserved, why_torch = _by_torch()
    process, why_nvml = _by_nvml()
    return {
        "vram_allocated_mib": {"reason": why_torch} if allocated is None else allocated,
        "vram_reserved_mib": {"reason": why_torch} if reserved is None else reserved,
        "vram_process_mib": {"reason": why_nvml} if process is None else process,
    }


def _by_torch() -> tuple[float | None, float | None, str]:
    torch = sys.modules.get("torch")
    if torch is None:
        return None, None, "the model does not run in torch"
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None, None, "torch used no CUDA device"
    mib = 1024.0 * 1024.0
    return torch.cuda.max_memory_allocated() / mib, torch.cuda.max_memory_reserved() / mib, ""


def _by_nvml() -> tuple[float | None, str]:
    if not os.path.exists("/dev/nvidiactl"):
        return None, "there is no NVIDIA device"
    try:
        import pynvml
    except ImportError:
        return None, "nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
        devices = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        running = [p for d in devices for p in pynvml.nvmlDeviceGetComputeRunningProcesses(d)]
        used = [p.usedGpuMemory for p in running if p.pid == os.getpid() and p.usedGpuMemory is not None]
    except pynvml.NVMLError as error:
        return None, f"NVML: {error}"
    return (sum(used) / 1024.0 / 1024.0, "") if used else (None, "NVML does not list this process")
