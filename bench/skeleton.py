"""The skeleton of a large .pt: names, types, shapes and what it could do, beside torch.load of the same file."""

import argparse
import pathlib

from common import ASSAY, Case, against, heading, interleaved, median, ms, ratio, room, run, table

# Layers of one matrix and one vector, as a transformer has them; the numbers do not matter, how many tensors does.
MAKE = """
import sys, torch
path, mib, layers = sys.argv[1], int(sys.argv[2]), 150
side = int((mib * 2**20 / 4 / layers) ** 0.5)
torch.save({f"layers.{i}.{n}": torch.empty(s).normal_() for i in range(layers)
            for n, s in (("weight", (side, side)), ("bias", (side,)))}, path)
"""
LOAD = "import sys, torch; print(len(torch.load(sys.argv[1], mmap=True, weights_only=True, map_location='cpu')))"


def main() -> None:
    """Make each file once, then time both on it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--torch", required=True, help="a Python that has torch")
    options.add_argument("--mib", type=int, nargs="+", default=[100, 2048])
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--folder", help="work here and leave it")
    asked = options.parse_args()
    with room(asked.folder) as folder:
        for mib in asked.mib:
            path = folder / f"{mib}.pt"
            if not path.exists():
                run([asked.torch, "-c", MAKE, str(path), str(mib)], folder)
            heading(f"A .pt of {mib} MiB, 300 tensors: CPU, time and memory, start and imports included")
            compare(asked.torch, path, folder, asked.rounds)


def compare(torch: str, path: pathlib.Path, folder: pathlib.Path, rounds: int) -> None:
    """Print what each way costs, and how much of torch's cost ours is."""
    cases = {
        "torch.load(mmap=True, weights_only=True)": Case([torch, "-c", LOAD, str(path)], folder),
        "import torch alone": Case([torch, "-c", "import torch"], folder),
        "assay inspect --quick": Case([ASSAY, "inspect", "--quick", str(path)], folder),
        "assay inspect (digest, and every number looked at)": Case([ASSAY, "inspect", str(path)], folder),
    }
    found = interleaved(cases, rounds)
    theirs = next(iter(found.values()))
    rows: list[list[object]] = []
    for name, costs in found.items():
        middle, faster = median(costs), 1 / ratio(costs, theirs)
        bar = against(faster, 10, least=True) if "quick" in name else ""
        rows.append([name, ms(middle.cpu), ms(middle.wall), f"{middle.peak:.0f} MiB", f"{faster:.1f} times", bar])
    table(["way", "CPU", "wall", "peak memory", "faster than torch.load, CPU", "bar"], rows)
    print(f"\nMedians of {rounds} interleaved rounds; ratios are medians of the rounds' ratios.")


if __name__ == "__main__":
    main()
