"""Packages that are one build and have to fit one another."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from assay.envs.interpreter import normal, versions
from assay.errors import StageFailed

TORCH = ("torch", "torchvision", "torchaudio")
KEPT = re.compile(r"torch|torchvision|torchaudio|numpy|triton|pytorch-triton.*|triton-rocm|nvidia-.*|cuda-.*")
SAME_RELEASE = (2, 9)  # from here on torchaudio runs with later releases of torch too


class Named(Protocol):
    """What has a name and a version."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


def check(items: "Iterable[Named]", installed: Sequence[str]) -> None:
    """Refuse torch, torchvision and torchaudio of different builds or releases, before anything is installed."""
    have = versions(installed) | {normal(item.name): item.version for item in items}
    if "torch" not in have:
        return
    torch = have["torch"]
    for name in TORCH[1:]:
        if name in have and (reason := _unfit(torch, name, have[name])):
            raise StageFailed(
                f"{name} {have[name]} does not fit torch {torch}: {reason}",
                where="env.index",
                mend="name a source or a constraint for the fitting one, or take a new environment",
            )


def pinned(installed: Sequence[str]) -> list[str]:
    """Pin what must not be replaced in an environment that others use: torch, numpy, the CUDA libraries."""
    return [f"{name}=={version}" for name, version in versions(installed).items() if KEPT.fullmatch(name)]


def _unfit(torch: str, name: str, version: str) -> str:
    """Say why two of a family do not fit, or ""."""
    builds = [v.partition("+")[2] for v in (torch, version)]
    if builds[0] != builds[1]:
        return "one is built for {}, the other for {}".format(*(b or "the index's default" for b in builds))
    have = _release(version)
    for wanted in _wanted(name, _release(torch)):
        if have == wanted:
            return ""
    if name == "torchaudio" and SAME_RELEASE <= have <= _release(torch):
        return ""
    return "it is made for another release ({} is)".format(
        " or ".join(_said(w) for w in _wanted(name, _release(torch)))
    )


def _wanted(name: str, torch: tuple[int, int]) -> Iterator[tuple[int, int]]:
    major, minor = torch
    if name == "torchvision":
        yield (0, minor + 15) if major == 2 else (0, minor + 1)
    else:
        yield (major, minor) if major >= 2 else (0, minor)


def _said(release: tuple[int, int]) -> str:
    return f"{release[0]}.{release[1]}"


def _release(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
