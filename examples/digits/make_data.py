"""Write forty of the held-out digits, four of each, as pictures under data/.

A value v of scikit-learn's 0..16 becomes the grey value 15 v, so that v = grey / 15 gives it back exactly.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from split import split

HERE = Path(__file__).resolve().parent
OF_EACH = 4


def main():
    """Pick the first four of each class, in the order of the split, and write them."""
    parser = argparse.ArgumentParser(description="Write the labelled pictures.")
    parser.add_argument("--out", type=Path, default=HERE / "data")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    _, images, _, labels = split()
    chosen = sorted(i for digit in range(10) for i in np.flatnonzero(labels == digit)[:OF_EACH])
    names = {}
    for number, i in enumerate(chosen):
        name = f"{number:03}.png"
        Image.fromarray((images[i] * 15).astype(np.uint8)).save(out / name, optimize=True)
        names[name] = str(labels[i])
    text = json.dumps({"classes": [str(n) for n in range(10)], "images": names}, indent=1)
    (out / "labels.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
