"""Find circles, squares and triangles in a picture.

    python detect.py data/000.png
    python detect.py data/000.png --weights tinyyolo.pth --save found.png

Importing this file needs numpy and Pillow; the weights' own runtime is loaded when they are.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
NAMES = ["circle", "square", "triangle"]
SIZE = 128  # the network's input is SIZE x SIZE
STRIDE = 16  # pixels per cell of the output grid
ANCHORS = np.array([[22.0, 22.0], [44.0, 44.0]], dtype=np.float32)  # width, height in pixels of the network's input
FILL = 114  # grey of the letterbox's borders
COLOURS = {"circle": (230, 60, 60), "square": (50, 170, 80), "triangle": (60, 100, 235)}


def letterbox(image, size=SIZE, fill=FILL):
    """Scale to fit a square, centre, fill the rest; return the square, the scale and the left and top border."""
    ratio = min(size / image.width, size / image.height)
    width, height = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    left, top = (size - width) // 2, (size - height) // 2
    square = Image.new("RGB", (size, size), (fill, fill, fill))
    square.paste(image.resize((width, height), Image.BILINEAR), (left, top))
    return square, ratio, (left, top)


def preprocess(image, size=SIZE):
    """Turn a picture into the network's input; also return what restore() needs."""
    square, ratio, pad = letterbox(image.convert("RGB"), size)
    tensor = np.asarray(square, dtype=np.float32) / 255.0
    return np.ascontiguousarray(tensor.transpose(2, 0, 1)[None]), ratio, pad


def sigmoid(x):
    """Squash to 0..1."""
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))


def decode(grid, score_threshold=0.25, anchors=ANCHORS, stride=STRIDE):
    """Turn one raw grid [A * (5 + C), rows, columns] into boxes, scores and class numbers.

    x, y: (2 s - 0.5 + cell) * stride; w, h: (2 s)^2 * anchor; score: objectness * class.
    """
    rows, columns = grid.shape[-2:]
    values = sigmoid(grid.reshape(len(anchors), -1, rows, columns).transpose(0, 2, 3, 1))
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    centres = (2.0 * values[..., 0:2] - 0.5 + cells) * stride
    halves = (2.0 * values[..., 2:4]) ** 2 * anchors[:, None, None, :] / 2.0
    scores = values[..., 4:5] * values[..., 5:]
    classes = scores.argmax(axis=-1)
    best = scores.max(axis=-1)
    keep = best >= score_threshold
    boxes = np.concatenate([centres - halves, centres + halves], axis=-1)
    return boxes[keep], best[keep], classes[keep]


def nms(boxes, scores, classes, iou_threshold=0.45, max_boxes=100):
    """Of boxes of one class that overlap, keep the best; return their indices, best first."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    for i in order:
        if len(kept) == max_boxes:
            break
        if all(classes[i] != classes[k] or iou(boxes[i], boxes[k]) <= iou_threshold for k in kept):
            kept.append(int(i))
    return kept


def iou(a, b):
    """Intersection over union of two boxes."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def restore(boxes, ratio, pad, width, height):
    """Move boxes from the letterboxed square back onto the picture."""
    boxes = (boxes - np.array([*pad, *pad])) / ratio
    return np.clip(boxes, 0, [width, height, width, height])


def draw(image, found):
    """Draw found objects on a copy of the picture."""
    image = image.convert("RGB")
    pen = ImageDraw.Draw(image)
    for thing in found:
        x1, y1, x2, y2 = thing["box"]
        colour = COLOURS[thing["label"]]
        pen.rectangle([x1, y1, x2, y2], outline=colour, width=2 if min(image.size) >= 256 else 1)
        caption = f"{thing['label']} {thing['score']:.2f}"
        left, top, right, bottom = pen.textbbox((x1 + 2, max(0, y1 - 12)), caption)
        pen.rectangle([left - 2, top - 2, right + 2, bottom + 1], fill=colour)
        pen.text((x1 + 2, max(0, y1 - 12)), caption, fill="white")
    return image


def load(weights):
    """Return a function from the input tensor to the raw grids; .pth needs torch, .onnx needs onnxruntime."""
    if Path(weights).suffix == ".pth":
        return _load_torch(weights)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    return lambda tensor: session.run(["predictions"], {"images": tensor})[0]


def _load_torch(weights):
    import torch
    from model import TinyYolo

    model = TinyYolo(num_classes=len(NAMES), num_anchors=len(ANCHORS))
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model.eval()

    def run(tensor):
        with torch.no_grad():
            return model(torch.from_numpy(tensor)).numpy()

    return run


def detect(network, image, score_threshold=0.25, iou_threshold=0.45, max_boxes=100):
    """Find things in one picture, best first."""
    tensor, ratio, pad = preprocess(image)
    boxes, scores, classes = decode(network(tensor)[0], score_threshold)
    kept = nms(boxes, scores, classes, iou_threshold, max_boxes)
    boxes = restore(boxes, ratio, pad, image.width, image.height)
    return [{"label": NAMES[classes[i]], "score": float(scores[i]), "box": [float(v) for v in boxes[i]]} for i in kept]


def main():
    """Read the command line, print what was found."""
    parser = argparse.ArgumentParser(description="Find circles, squares and triangles in pictures.")
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, default=HERE / "tinyyolo.onnx")
    parser.add_argument("--score-threshold", type=float, default=0.25)
    parser.add_argument("--iou-threshold", type=float, default=0.45)
    parser.add_argument("--save", type=Path, help="write the (last) picture with boxes here")
    options = parser.parse_args()
    network = load(options.weights)
    for path in options.pictures:
        image = Image.open(path)
        found = detect(network, image, options.score_threshold, options.iou_threshold)
        print(f"{path}: {len(found)} found")
        for thing in found:
            box = ", ".join(f"{v:.1f}" for v in thing["box"])
            print(f"  {thing['label']:9} {thing['score']:.3f}  [{box}]")
        if options.save:
            draw(image, found).save(options.save)


if __name__ == "__main__":
    main()
