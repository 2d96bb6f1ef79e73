"""Measure accuracy on the pictures under data/ and, with scikit-learn, on everything held out.

    python evaluate.py
    python evaluate.py --weights digits.pth --json

The baseline always answers the class that is most frequent in the training part.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from classify import classify, load
from PIL import Image

HERE = Path(__file__).resolve().parent


def shipped(network):
    """Return accuracy on the pictures under data/, and their number."""
    labels = json.loads((HERE / "data" / "labels.json").read_text(encoding="utf-8"))["images"]
    right = [classify(network, Image.open(HERE / "data" / name))[0][0] == label for name, label in labels.items()]
    return {"pictures": len(right), "accuracy": sum(right) / len(right)}


def held_out(network):
    """Return accuracy on the whole held-out split, and the baseline's."""
    from split import split

    _, images, seen, labels = split()
    answers = network((images[:, None] / 16.0).astype(np.float32)).argmax(axis=1)
    usual = Counter(seen.tolist()).most_common(1)[0][0]
    return {
        "pictures": len(labels),
        "accuracy": float((answers == labels).mean()),
        "baseline": float((labels == usual).mean()),
    }


def main():
    """Print both."""
    parser = argparse.ArgumentParser(description="Measure accuracy.")
    parser.add_argument("--weights", type=Path, default=HERE / "digits.onnx")
    parser.add_argument("--shipped-only", action="store_true", help="skip the whole split, which needs scikit-learn")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    network = load(options.weights)
    scores = {"shipped": shipped(network)}
    if not options.shipped_only:
        scores["held out"] = held_out(network)
    if options.json:
        print(json.dumps(scores))
        return
    for name, values in scores.items():
        print(f"{name:9} " + "  ".join(f"{key} {value:.4g}" for key, value in values.items()))


if __name__ == "__main__":
    main()
