"""A 2 GB checkpoint: how often its bytes are read, and how fast they are hashed."""

import argparse
import hashlib
import json
import os
import pathlib
import random
import statistics
import time
from collections.abc import Callable

from common import ASSAY, DOIT, Case, Cost, against, heading, interleaved, median, ms, ratio, room, run, table

from assay.digests import Digests

BLOCK = 1 << 20
YAML = "model: {{name: big, checkpoint: {name}.safetensors}}\n"


def main() -> None:
    """Make the file once, then measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mib", type=int, default=2048, help="how big the file is")
    options.add_argument("--rounds", type=int, default=15, help="of the no-ops")
    options.add_argument("--rounds-hash", type=int, default=5)
    options.add_argument("--folder", help="work here and leave it")
    asked = options.parse_args()
    with room(asked.folder) as folder:
        (folder / "experiments").mkdir()
        (folder / "dodo.py").write_text("from assay.door import members\n\nglobals().update(members(__file__))\n")
        for name, mib in (("big", asked.mib), ("small", 1)):
            write_checkpoint(folder / f"{name}.safetensors", mib)
            (folder / f"experiments/{name}.yaml").write_text(YAML.format(name=name))
        time.sleep(0.1)  # a file younger than 20 ms is hashed again, on purpose
        heading(f"A checkpoint of {asked.mib} MiB: how often its bytes are read")
        reads(folder, asked.mib)
        heading(f"A checkpoint of {asked.mib} MiB: the no-op beside that of one of 1 MiB")
        noops(folder, asked.rounds)
        heading(f"Hashing {asked.mib} MiB, one thread, CPU time")
        hashing(folder / "big.safetensors", asked.rounds_hash)


def write_checkpoint(path: pathlib.Path, mib: int) -> None:
    """Write a valid .safetensors file of one large tensor, of bytes that do not compress or repeat."""
    size = mib * BLOCK
    head = json.dumps({"weight": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    block = random.Random(0).randbytes(BLOCK - 8)
    with open(path, "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for i in range(mib):
            file.write(i.to_bytes(8, "little") + block)


# ------------------------------------------------------------ how often it is read
def reads(folder: pathlib.Path, mib: int) -> None:
    """Count the bytes read by run after run."""
    path = folder / "big.safetensors"
    stamp = folder / "tmp/.cache/stamp-big.txt"
    steps: list[tuple[str, Callable[[], object], int]] = [
        ("first build", lambda: None, 1),
        ("nothing changed", lambda: None, 0),
        ("touched, same bytes", lambda: os.utime(path), 1),
        ("the run after", lambda: None, 0),
        ("one byte changed", lambda: poke(path), 1),
        ("the run after", lambda: None, 0),
        ("changed, same size and same mtime", lambda: poke(path, keep=True), 1),
        ("the run after", lambda: None, 0),
        ("the stamp deleted", stamp.unlink, 0),
    ]
    rows: list[list[object]] = []
    for name, change, bar in steps:
        change()
        done = run([DOIT, "report", "exp=big"], folder)
        times = done.read / mib
        rows.append([name, built(done), ms(done.cpu), f"{times:.2f}", against(round(times), bar)])
    table(["doit report exp=big", "stages run", "CPU", "times the file was read", "bar"], rows)


def built(done: Cost) -> str:
    """Tell how many stages a run says that it built."""
    return done.said.partition("built ")[2].partition(",")[0] or "0"


def poke(path: pathlib.Path, *, keep: bool = False) -> None:
    """Change one byte in the middle of a file."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        old = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([old[0] ^ 255]))
    if keep:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# ------------------------------------------------------------ what a no-op costs
def noops(folder: pathlib.Path, rounds: int) -> None:
    """Compare no-ops of the large and of the small checkpoint."""
    run([DOIT, "report"], folder)
    doors = {"doit report exp=": [DOIT, "report"], "assay report ": [ASSAY, "report"]}
    cases = {
        f"{door}{name}": Case([*command, f"exp={name}"], folder)
        for door, command in doors.items()
        for name in ("small", "big")
    }
    found = interleaved(cases, rounds)
    rows: list[list[object]] = []
    for name, costs in found.items():
        small = found[name.replace("big", "small")]
        times = ratio(costs, small)
        rows.append([name, ms(median(costs).cpu), f"{times:.2f}", against(times, 1.1) if costs is not small else ""])
    table(["command", "CPU", "/ small", "bar"], rows)


# ------------------------------------------------------------ how fast it is hashed
def hashing(path: pathlib.Path, rounds: int) -> None:
    """Compare our digest with hashlib's over the same file."""
    ways: dict[str, Callable[[pathlib.Path], str | None]] = {
        "assay's Digests.of": lambda p: Digests().of(str(p)),
        "hashlib.sha256, reads of 1 MiB": by_reads,
    }
    if hasattr(hashlib, "file_digest"):
        ways["hashlib.file_digest"] = by_hashlib
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(rounds + 1):  # the first round warms the page cache
        order = list(ways)[i % len(ways) :] + list(ways)[: i % len(ways)]
        for name in order:
            started = time.process_time()
            ways[name](path)
            if i:
                seconds[name].append(time.process_time() - started)
    ours = next(iter(seconds.values()))
    rows: list[list[object]] = []
    for name, theirs in seconds.items():
        rate = path.stat().st_size / 1e9 / statistics.median(theirs)
        speed = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        bar = against(speed, 0.95, least=True) if theirs is not ours else ""
        rows.append([name, f"{statistics.median(theirs):.2f} s", f"{rate:.2f} GB/s", f"{speed:.2f}", bar])
    table(["way", "CPU", "rate", "our speed / this", "bar"], rows)


def by_reads(path: pathlib.Path) -> str:
    """Hash as anybody would."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def by_hashlib(path: pathlib.Path) -> str:
    """Hash as the standard library does."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
