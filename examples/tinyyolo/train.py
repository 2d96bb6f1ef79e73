"""Train TinyYolo on pictures that shapes.py draws, then write tinyyolo.pth and tinyyolo.onnx.

    python train.py                      # four to five minutes on two CPU cores
    python train.py --epochs 1 --pictures 64 --out /tmp/try      # a quick look that everything works

Needs requirements-train.txt. Seeds, thread count and algorithms are fixed: on one machine with one version of torch,
the weights repeat exactly; another version or processor may round differently.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from detect import ANCHORS, NAMES, SIZE, STRIDE, letterbox
from model import TinyYolo
from shapes import CLASSES, picture
from torch.nn import functional

HERE = Path(__file__).resolve().parent
SEED = 7
MOST_BOXES = 5  # shapes.py never draws more
CELLS = SIZE // STRIDE


def dataset(count):
    """Draw plain pictures from the seeds 0, 1, 2...; return uint8 images and boxes in the network's pixels."""
    images = np.zeros((count, SIZE, SIZE, 3), dtype=np.uint8)
    boxes = np.zeros((count, MOST_BOXES, 4), dtype=np.float32)
    classes = np.full((count, MOST_BOXES), -1, dtype=np.int64)  # -1: no box
    for seed in range(count):
        image, things = picture(seed, "plain")
        square, ratio, (left, top) = letterbox(image)
        images[seed] = np.asarray(square)
        for i, (label, box) in enumerate(things):
            boxes[seed, i] = np.array(box) * ratio + (left, top, left, top)
            classes[seed, i] = CLASSES.index(label)
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(boxes), torch.from_numpy(classes)


def augment(images, boxes):
    """Flip, swap colour channels, change contrast and brightness, add a little noise: one draw per batch."""
    images = images[:, torch.randperm(3)].float() / 255.0
    if torch.rand(()) < 0.5:
        images = images.flip(3)
        boxes = torch.stack([SIZE - boxes[..., 2], boxes[..., 1], SIZE - boxes[..., 0], boxes[..., 3]], dim=-1)
    if torch.rand(()) < 0.5:
        images = images.flip(2)
        boxes = torch.stack([boxes[..., 0], SIZE - boxes[..., 3], boxes[..., 2], SIZE - boxes[..., 1]], dim=-1)
    count = len(images)
    images = images * (0.8 + 0.4 * torch.rand(count, 1, 1, 1)) + 0.1 * (torch.rand(count, 1, 1, 1) - 0.5)
    images = images + torch.randn_like(images) * 0.05 * torch.rand(count, 1, 1, 1)
    return images.clamp(0, 1), boxes


def loss_of(grid, boxes, classes):
    """Objectness over all cells; box and class where a shape's centre lies, at the anchor of the nearest size."""
    anchors = torch.from_numpy(ANCHORS)
    grid = grid.unflatten(1, (len(anchors), -1)).permute(0, 1, 3, 4, 2)
    picture_at, slot = torch.nonzero(classes >= 0, as_tuple=True)
    truth, label = boxes[picture_at, slot], classes[picture_at, slot]
    centre, size = (truth[:, :2] + truth[:, 2:]) / 2, truth[:, 2:] - truth[:, :2]
    cell = (centre / STRIDE).long().clamp(0, CELLS - 1)
    anchor = (size[:, None] / anchors).log().abs().amax(dim=-1).argmin(dim=1)
    chosen = grid[picture_at, anchor, cell[:, 1], cell[:, 0]]
    middle = (2 * chosen[:, 0:2].sigmoid() - 0.5 + cell) * STRIDE
    half = (2 * chosen[:, 2:4].sigmoid()) ** 2 * anchors[anchor] / 2
    wanted = torch.zeros(grid.shape[:-1])
    wanted[picture_at, anchor, cell[:, 1], cell[:, 0]] = 1.0
    objectness = functional.binary_cross_entropy_with_logits(grid[..., 4], wanted, reduction="sum") / len(truth)
    classing = functional.binary_cross_entropy_with_logits(
        chosen[:, 5:], functional.one_hot(label, len(NAMES)).float(), reduction="sum"
    ) / len(truth)
    overlap = overlaps(torch.cat([middle - half, middle + half], dim=1), truth)
    return objectness + classing + 2.0 * (1 - overlap).mean()


def overlaps(a, b):
    """Intersection over union, row by row."""
    sides = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    both = sides.prod(dim=1)
    return both / ((a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - both + 1e-6)


def train(pictures, epochs, batch):
    """Return the trained model."""
    torch.manual_seed(SEED)
    images, boxes, classes = dataset(pictures)
    model = TinyYolo(num_classes=len(NAMES), num_anchors=len(ANCHORS))
    torch.nn.init.constant_(model.head.bias, 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps = epochs * math.ceil(pictures / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(epochs):
        began, total = time.perf_counter(), 0.0
        for chosen in torch.randperm(pictures).split(batch):
            seen, placed = augment(images[chosen], boxes[chosen])
            loss = loss_of(model(seen), placed, classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        seconds = time.perf_counter() - began
        print(f"epoch {epoch + 1}/{epochs}  loss {total / pictures:.4f}  {seconds:.1f} s", flush=True)
    return model.eval()


def export(model, path):
    """Write the ONNX file: free batch, fixed height and width, and what a reader needs in its metadata."""
    import onnx

    torch.onnx.export(
        model,
        (torch.zeros(1, 3, SIZE, SIZE),),
        str(path),
        input_names=["images"],
        output_names=["predictions"],
        dynamic_axes={"images": {0: "batch"}, "predictions": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(path)
    facts = {
        "description": "TinyYolo, a small single-shot detector of drawn shapes",
        "version": "1",
        "license": "Apache-2.0",
        "task": "detect",
        "stride": str(STRIDE),
        "imgsz": str([SIZE, SIZE]),
        "names": str(dict(enumerate(NAMES))),
        "anchors": str(ANCHORS.tolist()),
    }
    onnx.helper.set_model_props(graph, facts)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def main():
    """Train and write both files."""
    parser = argparse.ArgumentParser(description="Train TinyYolo on drawn shapes.")
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    model = train(options.pictures, options.epochs, options.batch)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.out / "tinyyolo.pth")
    export(model, options.out / "tinyyolo.onnx")


if __name__ == "__main__":
    main()
