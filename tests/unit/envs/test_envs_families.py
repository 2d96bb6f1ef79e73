"""torch, torchvision and torchaudio are one build."""

import pytest

from assay.envs import families, interpreter
from assay.envs.pylock import Item
from assay.errors import StageFailed


def item(name: str, version: str) -> Item:
    return Item(name, version, None, "", "", "", "")


@pytest.mark.parametrize(
    ("added", "installed", "said"),
    [
        (("torchvision", "0.28.0"), "torch-2.13.0+cpu", "one is built for cpu, the other for the index's default"),
        (("torchvision", "0.28.0+cu126"), "torch-2.13.0+cpu", "one is built for cpu, the other for cu126"),
        (("torch", "2.13.0"), "torchvision-0.28.0+cpu", "built for the index's default, the other for cpu"),
        (("torchvision", "0.27.0+cpu"), "torch-2.13.0+cpu", r"another release \(0\.28 is\)"),
        (("torchvision", "0.15.2"), "torch-1.13.1", r"another release \(0\.14 is\)"),
        (("torchaudio", "2.1.0"), "torch-2.2.0", r"another release \(2\.2 is\)"),
        (("torchaudio", "0.12.0"), "torch-1.13.1", r"another release \(0\.13 is\)"),
    ],
)
def test_refused(added: tuple[str, str], installed: str, said: str) -> None:
    with pytest.raises(StageFailed, match=said) as caught:
        families.check([item(*added)], [installed, "numpy-2.0"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("torch", "others"),
    [
        ("2.13.0+cpu", {"torchvision": "0.28.0+cpu"}),
        ("2.13.0", {"torchvision": "0.28.1", "torchaudio": "2.11.0"}),
        ("2.0.1+cu118", {"torchvision": "0.15.2+cu118", "torchaudio": "2.0.2+cu118"}),
        ("1.9.0", {"torchvision": "0.10.0", "torchaudio": "0.9.0"}),
        ("1.13.1", {"torchvision": "0.14.1", "torchaudio": "0.13.1"}),
        ("2.13.0", {}),
    ],
)
def test_fitting(torch: str, others: dict[str, str]) -> None:
    families.check([item(*one) for one in others.items()], [f"torch-{torch}"])
    families.check([item("torch", torch), *(item(*one) for one in others.items())], [])
    families.check([item("torchvision", "0.1")], ["numpy-2.0"])  # torch is not here: it is not what is missing


def test_what_is_pinned() -> None:
    installed = (
        "numpy-2.4.6",
        "nvidia_cublas_cu12-12.4.5.8",
        "torch-2.13.0+cpu",
        "Pillow-10.0",
        "triton-3.5.0",
        "cuda_bindings-13.0.1",
        "torchmetrics-1.0",
        "nameless",
        "old-1.0-py3.11",
    )
    assert sorted(families.pinned(installed)) == [
        "cuda-bindings==13.0.1",
        "numpy==2.4.6",
        "nvidia-cublas-cu12==12.4.5.8",
        "torch==2.13.0+cpu",
        "triton==3.5.0",
    ]
    assert interpreter.versions(installed)["old"] == "1.0"
