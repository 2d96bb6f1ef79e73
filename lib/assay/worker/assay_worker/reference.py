"""The reference kernel: a fixed piece of arithmetic against which a noisy machine is compared."""

from __future__ import annotations

from typing import Callable

SIDE = 64  # small enough that no BLAS splits it over threads, whatever it is told
ROUNDS = 320  # about one millisecond
METHOD = f"{ROUNDS} float32 matrix products of {SIDE}x{SIDE} in numpy, one thread"


def kernel() -> Callable[[], None]:
    """Make the kernel; a call does the same work every time, in memory that is already there."""
    import numpy

    random = numpy.random.Generator(numpy.random.PCG64(0))
    a = random.random((SIDE, SIDE), dtype=numpy.float32)
    b = random.random((SIDE, SIDE), dtype=numpy.float32)
    c = numpy.empty((SIDE, SIDE), dtype=numpy.float32)
    matmul, rounds = numpy.matmul, range(ROUNDS)

    def run() -> None:
        for _ in rounds:
            matmul(a, b, out=c)

    return run
