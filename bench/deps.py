"""The environment of an ONNX model: seeing that nothing is missing, planning what is, making a new one."""

import argparse
import pathlib
import shutil
import statistics
import sys

from common import ASSAY, against, cost, heading, ms, repository, room, table

EXPERIMENT = """\
model: {checkpoint: examples/tinyyolo/tinyyolo.onnx, name: tinyyolo}
source: {path: examples/tinyyolo}
recipe: tinyyolo
sandbox: plain
env: {python: %s}
"""


def main() -> None:
    """Make a repository, then time each case on it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--folder", help="work here and leave it")
    options.add_argument("--uv", default=str(pathlib.Path(sys.executable).with_name("uv")))
    asked = options.parse_args()
    with room(asked.folder) as folder:
        root = repository(folder / "repository")
        bare = root / "bare"
        done = cost([asked.uv, "venv", "--python", sys.executable, str(bare)], folder)
        if done.code:
            sys.exit(done.said)
        heading("deps of an ONNX model with a recipe: whole commands, start of Python included")
        rows: list[list[object]] = [
            timed(root, "nothing missing, no network needed", sys.executable, [], 0, asked.rounds, 0.5),
            timed(root, "plan for what is missing, index warm", "bare/bin/python", ["--json"], 3, asked.rounds, 2.0),
            timed(root, "new environment, cache warm", "bare/bin/python", ["--on-missing=new"], 0, asked.rounds, 5.0),
        ]
        table(["case", "wall", "fastest", "CPU", "bar"], rows)


def timed(
    root: pathlib.Path, what: str, python: str, words: list[str], code: int, rounds: int, bar: float
) -> list[object]:
    """Time one case, each round from the same state; the first round warms caches and is not counted."""
    (root / "experiments/deps.yaml").write_text(EXPERIMENT % python)
    found = []
    for _ in range(rounds + 1):
        cost([ASSAY, "clean", "deps"], root)
        shutil.rmtree(root / "tmp/.envs", ignore_errors=True)
        cost([ASSAY, "source", "deps"], root)
        cost([ASSAY, "checkpoint", "deps"], root)
        done = cost([ASSAY, "deps", "deps", *words], root)
        if done.code != code:
            sys.exit(f"{what}: exit {done.code}\n{done.said[-2000:]}")
        found.append(done)
    walls, cpus = [d.wall for d in found[1:]], [d.cpu for d in found[1:]]
    middle = statistics.median(walls)
    return [what, ms(middle), ms(min(walls)), ms(statistics.median(cpus)), against(middle, bar)]


if __name__ == "__main__":
    main()
