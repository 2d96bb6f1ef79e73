"""Write the labelled pictures under data/, from seeds that training never uses."""

import argparse
import json
from pathlib import Path

from shapes import CLASSES, PLAIN_SIZES, SCALE_SIZES, picture

HERE = Path(__file__).resolve().parent
FIRST_SEED = 1_000_000  # train.py stays far below
GROUPS = {"plain": 16, "noisy": 4, "scale": 4}


def main():
    """Draw and write everything."""
    parser = argparse.ArgumentParser(description="Write the labelled pictures.")
    parser.add_argument("--out", type=Path, default=HERE / "data")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    kinds = [kind for kind, count in GROUPS.items() for _ in range(count)]
    groups, images = {}, {}
    for number, kind in enumerate(kinds):
        name = f"{number:03}.png"
        sizes = SCALE_SIZES if kind == "scale" else PLAIN_SIZES
        image, boxes = picture(FIRST_SEED + number, kind, sizes[number % len(sizes)])
        image.save(out / name, optimize=True)
        groups[name] = kind
        images[name] = [{"label": label, "box": box} for label, box in boxes]
    labels = {"classes": list(CLASSES), "groups": groups, "images": images}
    (out / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
