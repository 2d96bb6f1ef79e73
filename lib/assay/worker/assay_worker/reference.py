"""The reference kernel: a fixed piece of arithmetic against which a noisy machine is compared."""

from __future__ import annotations

from typing import Callable

SIDE = 64  # small enough that no BLAS splits it over threads, whatever it is told
ROUNDS = 256  # about one millisecond
# More matrices than the inner caches hold: they come from the outer one, as a model's weights do.
# A kernel that fits the inner cache hardly feels the neighbours that slow a model down.
POOL = 64
METHOD = f"{ROUNDS} float32 matrix products of {SIDE}x{SIDE} over {POOL} pairs in numpy, one thread"


def kernel() -> Callable[[], None]:
    """Make the kernel; a call does the same work every time, in memory that is already there."""
    import numpy

    random = numpy.random.Generator(numpy.random.PCG64(0))
    a, b = (random.random((POOL, SIDE, SIDE), dtype=numpy.float32) for _ in range(2))
    c = numpy.empty((POOL, SIDE, SIDE), dtype=numpy.float32)
    triples = [(a[i % POOL], b[i % POOL], c[i % POOL]) for i in range(ROUNDS)]
    matmul = numpy.matmul

    def run() -> None:
        for left, right, product in triples:
            matmul(left, right, out=product)

    return run
