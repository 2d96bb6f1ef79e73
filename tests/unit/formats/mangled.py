"""Files cut short and files with flipped bits: each must end in what it holds, or in one clear line, and soon."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from assay.errors import WrongInput
from looked import looked

HANG = 5.0  # seconds


def cut(data: bytes) -> Iterator[bytes]:
    """Cut a file at every length."""
    return (data[:length] for length in range(1, len(data)))


def flipped(data: bytes, times: int, seed: int) -> Iterator[bytes]:
    """Change one to four bytes of a file."""
    dice = random.Random(seed)
    for _ in range(times):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
        yield bytes(changed)


def answers(path: Path, files: Iterator[bytes]) -> tuple[int, int]:
    """Count how many files are read and how many refused; anything else fails."""
    read = refused = 0
    for data in files:
        path.write_bytes(data)
        start = time.process_time()
        try:
            looked(path)
            read += 1
        except WrongInput as fault:
            assert str(fault).isprintable(), str(fault)
            refused += 1
        assert time.process_time() - start < HANG
    return read, refused
