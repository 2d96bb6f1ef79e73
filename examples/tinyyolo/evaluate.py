"""Measure mAP50 of the weights on the labelled pictures under data/, and of a baseline that does not look.

    python evaluate.py
    python evaluate.py --weights tinyyolo.pth --json
    python evaluate.py --draw 200           # on 200 pictures of each kind, drawn now from seeds of their own

mAP50: per class, all detections of all pictures are walked from the best score down; each is a hit when the best
overlapping truth of its class in its picture that is still free has IoU >= 0.5. AP is the area under the
precision-recall curve, precision made monotonous, every recall step counted (all-point interpolation, as in PASCAL VOC
since 2010). mAP50 is the mean over the classes that have at least one truth.
"""

import argparse
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FIRST_SEED = 2_000_000  # for --draw; training starts at 0, data/ at 1,000,000


def mean_average_precision(found, truth, classes, iou_threshold=0.5):
    """Return mAP over the classes that occur; found and truth map a picture to its labelled boxes."""
    values = [average_precision(found, truth, label, iou_threshold) for label in classes]
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else 0.0


def average_precision(found, truth, label, iou_threshold=0.5):
    """Return AP of one class, or None when no picture holds one."""
    free = {name: [thing["box"] for thing in things if thing["label"] == label] for name, things in truth.items()}
    total = sum(len(boxes) for boxes in free.values())
    if total == 0:
        return None
    ranked = sorted(
        ((thing["score"], name, thing["box"]) for name in truth for thing in found[name] if thing["label"] == label),
        key=lambda entry: -entry[0],
    )
    hits = np.array([_takes_one(box, free[name], iou_threshold) for _, name, box in ranked], dtype=float)
    if len(hits) == 0:
        return 0.0
    caught = hits.cumsum()
    recall = np.concatenate([[0.0], caught / total])
    precision = caught / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * precision).sum())


def _takes_one(box, free, iou_threshold):
    """Whether the box hits a truth that is still free; it is taken off the list."""
    overlaps = [iou(box, other) for other in free]
    if not overlaps or max(overlaps) < iou_threshold:
        return False
    free.pop(int(np.argmax(overlaps)))
    return True


def iou(a, b):
    """Intersection over union of two boxes."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def baseline(truth, sizes, classes):
    """Answer every picture alike: one box of the mean size in the middle, of the most frequent class.

    Mean and frequency come from the very labels it is scored on, which favours it.
    """
    things = [(thing, sizes[name]) for name, boxes in truth.items() for thing in boxes]
    counts = [sum(thing["label"] == label for thing, _ in things) for label in classes]
    label = classes[int(np.argmax(counts))]
    wide = np.mean([(thing["box"][2] - thing["box"][0]) / width for thing, (width, _) in things])
    high = np.mean([(thing["box"][3] - thing["box"][1]) / height for thing, (_, height) in things])
    answers = {}
    for name, (width, height) in sizes.items():
        box = [width * (1 - wide) / 2, height * (1 - high) / 2, width * (1 + wide) / 2, height * (1 + high) / 2]
        answers[name] = [{"label": label, "score": 1.0, "box": box}]
    return answers


def groups_of(labels):
    """Map each group's name, and "all", to its pictures."""
    groups = {}
    for name, group in labels["groups"].items():
        groups.setdefault(group, []).append(name)
    return {**groups, "all": list(labels["groups"])}


def score(found, labels):
    """Return mAP50 by group."""
    return {
        group: mean_average_precision(found, {name: labels["images"][name] for name in names}, labels["classes"])
        for group, names in groups_of(labels).items()
    }


def shipped(folder):
    """Return the labelled pictures of a folder, and their labels."""
    from PIL import Image

    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return {name: Image.open(folder / name).convert("RGB") for name in labels["images"]}, labels


def drawn(count):
    """Draw so many pictures of each kind, from seeds that neither training nor data/ uses."""
    from shapes import CLASSES, picture

    images, labels = {}, {"classes": list(CLASSES), "groups": {}, "images": {}}
    for number, kind in enumerate(kind for kind in ("plain", "noisy", "scale") for _ in range(count)):
        images[str(number)], boxes = picture(FIRST_SEED + number, kind)
        labels["groups"][str(number)] = kind
        labels["images"][str(number)] = [{"label": label, "box": box} for label, box in boxes]
    return images, labels


def main():
    """Run the detector over the pictures and print the table."""
    from detect import detect, load

    parser = argparse.ArgumentParser(description="Measure mAP50 on the labelled pictures.")
    parser.add_argument("--weights", type=Path, default=HERE / "tinyyolo.onnx")
    parser.add_argument("--draw", type=int, metavar="N", help="draw N new pictures of each kind instead of data/")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    images, labels = drawn(options.draw) if options.draw else shipped(HERE / "data")
    network = load(options.weights)
    scores = {}
    for threshold in (0.05, 0.25):
        found = {name: detect(network, image, score_threshold=threshold) for name, image in images.items()}
        scores[f"{threshold:g}"] = score(found, labels)
    sizes = {name: image.size for name, image in images.items()}
    scores["baseline"] = score(baseline(labels["images"], sizes, labels["classes"]), labels)
    if options.json:
        print(json.dumps(scores))
        return
    print(f"{'mAP50':8} {'pictures':>8} {'at 0.05':>8} {'at 0.25':>8} {'baseline':>8}")
    for group, names in groups_of(labels).items():
        print(f"{group:8} {len(names):8}" + "".join(f" {scores[column][group]:8.3f}" for column in scores))


if __name__ == "__main__":
    main()
