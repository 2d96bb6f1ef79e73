"""Read a handwritten digit from a small picture, light ink on dark paper.

    python classify.py data/000.png
    python classify.py data/000.png --weights digits.pth

Importing this file needs numpy and Pillow; the weights' own runtime is loaded when they are.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
NAMES = [str(n) for n in range(10)]
SIZE = 8
FULL = 240.0  # the grey value of full ink: scikit-learn's 16, written as 16 * 15


def preprocess(image):
    """Turn a picture into the network's input [1, 1, 8, 8], 0..1; other sizes are averaged down."""
    image = image.convert("L")
    if image.size != (SIZE, SIZE):
        image = image.resize((SIZE, SIZE), Image.BOX)
    return np.asarray(image, dtype=np.float32)[None, None] / FULL


def softmax(logits):
    """Turn logits into probabilities."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def load(weights):
    """Return a function from the input tensor to logits; .pth needs torch, .onnx needs onnxruntime."""
    if Path(weights).suffix == ".pth":
        return _load_torch(weights)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    return lambda tensor: session.run(["logits"], {"image": tensor})[0]


def _load_torch(weights):
    import torch
    from model import DigitNet

    model = DigitNet(num_classes=len(NAMES))
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model.eval()

    def run(tensor):
        with torch.no_grad():
            return model(torch.from_numpy(tensor)).numpy()

    return run


def classify(network, image, top=3):
    """Name the likeliest digits of one picture, best first, as (name, probability)."""
    chances = softmax(network(preprocess(image))[0])
    return [(NAMES[i], float(chances[i])) for i in np.argsort(-chances, kind="stable")[:top]]


def main():
    """Read the command line, print what was read."""
    parser = argparse.ArgumentParser(description="Read handwritten digits.")
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, default=HERE / "digits.onnx")
    options = parser.parse_args()
    network = load(options.weights)
    for path in options.pictures:
        best = classify(network, Image.open(path))
        print(f"{path}: " + ", ".join(f"{name} {chance:.3f}" for name, chance in best))


if __name__ == "__main__":
    main()
