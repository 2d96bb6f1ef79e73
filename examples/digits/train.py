"""Train DigitNet on three quarters of scikit-learn's digits, then write digits.pth and digits.onnx.

    python train.py                      # about ten seconds on two CPU cores
    python train.py --epochs 1 --out /tmp/try

Needs requirements-train.txt. Seeds, thread count and algorithms are fixed: on one machine with one version of torch,
the weights repeat exactly; another version or processor may round differently.
"""

import argparse
from pathlib import Path

import torch
from model import DigitNet
from split import split
from torch.nn import functional

HERE = Path(__file__).resolve().parent
SEED = 11


def train(epochs, batch=64):
    """Return the trained model."""
    torch.manual_seed(SEED)
    images, _, labels, _ = split()
    images = torch.tensor(images, dtype=torch.float32)[:, None] / 16.0
    labels = torch.tensor(labels)
    model = DigitNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images)).split(batch):
            loss = functional.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        schedule.step()
        print(f"epoch {epoch + 1}/{epochs}  loss {total / len(images):.4f}", flush=True)
    return model.eval()


def export(model, path):
    """Write the ONNX file: free batch, fixed height and width, and what a reader needs in its metadata."""
    import onnx

    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 8, 8),),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(path)
    facts = {
        "description": "DigitNet, a small classifier of 8 x 8 pictures of digits",
        "version": "1",
        "license": "Apache-2.0",
        "task": "classify",
        "names": str({n: str(n) for n in range(10)}),
    }
    onnx.helper.set_model_props(graph, facts)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def main():
    """Train and write both files."""
    parser = argparse.ArgumentParser(description="Train DigitNet.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    model = train(options.epochs)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.out / "digits.pth")
    export(model, options.out / "digits.onnx")


if __name__ == "__main__":
    main()
