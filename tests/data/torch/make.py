"""Make the files of this folder with torch; run by hand, with torch 2.13 and numpy: python make.py."""

import argparse
import copy
import json
import math
import pathlib
import pickle

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
KINDS = {}
torch.manual_seed(0)


class Adds(torch.nn.Module):
    """A program of two operators whose batch may be 1 to 16."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.register_buffer("offset", torch.ones(2))

    def forward(self, x):
        return self.linear(x) + self.offset


def main():
    """Write every file anew."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    )
    state = net.state_dict()
    torch.save(state, HERE / "state.pt")
    torch.save(state, HERE / "state.pth", _use_new_zipfile_serialization=False)
    torch.save({f"module.{k}": v for k, v in state.items()}, HERE / "parallel.pt")
    torch.save(net, HERE / "module.pt")
    torch.save(net, HERE / "module.pth", _use_new_zipfile_serialization=False)
    (HERE / "state.pkl").write_bytes(pickle.dumps(state))
    checkpoint(copy.deepcopy(net))
    kinds()
    torch.save({"model": state, "model_ema": {k: v.clone() for k, v in state.items()}, "epoch": 3}, HERE / "ema.pt")
    torch.jit.script(net).save(HERE / "script.pt", _extra_files={"config.txt": '{"names": {"0": "cat", "1": "dog"}}'})
    program = torch.export.export(
        Adds(), (torch.zeros(3, 2),), dynamic_shapes=({0: torch.export.Dim("n", min=1, max=16)},)
    )
    torch.export.save(program, HERE / "program.pt2")
    torch.serialization.set_crc32_options(False)
    torch.save(state, HERE / "unchecked.pt")
    truth = {"state": told(state), "program": told(program.state_dict), "kinds": told(KINDS)}
    (HERE / "truth.json").write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n")


def told(tensors):
    """Say of each tensor what torch says: type, shape, numbers."""
    found = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and not tensor.is_sparse and not tensor.is_quantized:
            numbers = [repr(n) if n != n or n in (math.inf, -math.inf) else n for n in plain(tensor).flatten().tolist()]
            found[name] = [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), numbers]
    return found


def plain(tensor):
    """Turn numbers into some that JSON can carry."""
    tensor = tensor.detach()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor.double()


def checkpoint(net):
    """Write what a training run leaves: optimizer, epoch, numpy scalars, arguments."""
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.zeros(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    left = {
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best": np.float64(0.5),
        "args": argparse.Namespace(lr=0.1, name="tiny"),
        "history": np.arange(6).reshape(2, 3),
    }
    torch.save(left, HERE / "checkpoint.pt")


def kinds():
    """Write one tensor of each kind that is out of the ordinary."""
    base = torch.arange(6.0)
    KINDS.update(
        {
            "bfloat16": torch.ones(2, dtype=torch.bfloat16),
            "float8": torch.ones(2, dtype=torch.float8_e4m3fn),
            "uint16": torch.ones(2, dtype=torch.uint16),
            "complex": torch.ones(2, dtype=torch.complex64),
            "sparse": torch.eye(3).to_sparse(),
            "quantised": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
            "transposed": base.reshape(2, 3).t(),
            "row": base[3:],
            "same_row": base[3:],
            "parameter": torch.nn.Parameter(torch.ones(2)),
            "zero": torch.zeros(4),
            "bad": torch.tensor([1.0, float("nan"), float("inf")]),
            "size": torch.Size([1, 2]),
            "device": torch.device("cpu"),
            "dtype": torch.float16,
        }
    )
    torch.save(KINDS, HERE / "kinds.pt")


if __name__ == "__main__":
    main()
