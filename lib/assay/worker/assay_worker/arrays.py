"""Tensors and arrays that a trace speaks of, kept once each and written together."""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Dict, Optional

LARGEST = 4 << 20  # bytes of an array that is no argument or result of the model
SMALL = 256 << 10  # bytes of one that goes to a sink
FEW = 64  # numbers of a list that is shown as such
MOST = 256 << 20  # bytes kept of one run


class Arrays:
    """What is kept of one run, by name."""

    def __init__(self) -> None:
        self.kept: Dict[str, Any] = {}
        self.names: Dict[str, str] = {}
        self.total = 0
        self.small = False
        self.whole = False  # whether what is seen now is the model's own and kept whatever its size

    def described(self, value: Any) -> Optional[Dict[str, Any]]:
        """Describe a tensor or array, and keep it where it is small enough; None for anything else."""
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None and isinstance(value, getattr(torch, "Tensor", ())):
            return self._of_torch(value, torch)
        if numpy is not None and isinstance(value, getattr(numpy, "ndarray", ())):
            known = {"lib": "numpy", "dtype": str(value.dtype), "shape": list(value.shape), "device": "cpu"}
            return dict(known, tensor=self._keep(value, value.nbytes, value.dtype.kind in "biufc"))
        if numpy is not None and self.whole and isinstance(value, list):
            return self._of_numbers(value, numpy)
        return None

    def _of_numbers(self, value: Any, numpy: Any) -> Optional[Dict[str, Any]]:
        """Describe a long list of numbers, as ONNX Runtime takes them too; None for any other list."""
        try:
            array = numpy.asarray(value)
        except (ValueError, TypeError, RuntimeError):
            return None
        if array.dtype.kind not in "biuf" or array.size <= FEW or any(hasattr(one, "shape") for one in value):
            return None
        known = {"lib": "list", "dtype": str(array.dtype), "shape": list(array.shape), "device": "cpu"}
        return dict(known, tensor=self._keep(array, array.nbytes, True))

    def _of_torch(self, value: Any, torch: Any) -> Dict[str, Any]:
        known = {
            "lib": "torch",
            "dtype": str(value.dtype).replace("torch.", ""),
            "shape": [int(n) for n in value.shape],
            "device": str(value.device),
        }
        try:
            size = value.numel() * value.element_size()
            if size > self._limit():
                return dict(known, tensor=None)
            plain = value.detach().cpu()
            if plain.dtype is torch.bfloat16:
                plain = plain.float()
            return dict(known, tensor=self._keep(plain.numpy(), size, True))
        except Exception:  # sparse, quantised, on meta: only what it says of itself
            return dict(known, tensor=None)

    def _limit(self) -> int:
        return SMALL if self.small else MOST if self.whole else LARGEST

    def _keep(self, array: Any, size: int, kept: bool) -> Optional[str]:
        if not kept or size > self._limit() or self.total + size > MOST:
            return None
        numpy = sys.modules["numpy"]
        copy = numpy.array(array, order="C")
        digest = hashlib.sha256(f"{copy.dtype}{copy.shape}".encode() + copy.tobytes()).hexdigest()
        if digest not in self.names:
            self.names[digest] = f"t{len(self.names) + 1}"
            self.kept[self.names[digest]] = copy
            self.total += size
        return self.names[digest]

    def write(self, path: str) -> bool:
        """Write all that was kept; tell whether there was anything."""
        if not self.kept:
            return False
        with open(path, "wb") as file:
            sys.modules["numpy"].savez(file, **self.kept)
        return True
