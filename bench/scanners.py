"""assay inspect beside four scanners of model files: what each says of files whose payload really runs."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

from common import ASSAY, REPOSITORY, heading, table

SECONDS = 20
MARKERS = "BADINPUT_MARKER_DIR"
SPECIAL = ("file_fifo", "file_dev_zero", "pkl_marks")
# Loads a file as its reader would, with everything allowed: it is done to a payload that only leaves a mark.
LOADER = """
import sys
path, cwd = sys.argv[1:3]
import os
os.chdir(cwd)
def pickled(p):
    import pickle
    with open(p, "rb") as f:
        for _ in range(2): pickle.load(f)
def by_torch(p):
    import torch
    torch.load(p, weights_only=False, map_location="cpu")
def by_joblib(p):
    import joblib
    joblib.load(p)
def by_numpy(p):
    import numpy
    found = numpy.load(p, allow_pickle=True)
    [found[n] for n in getattr(found, "files", ())]
for load in (pickled, by_torch, by_joblib, by_numpy):
    try: load(path)
    except BaseException: pass
"""
# fickling's command takes bare pickles only; its library takes archives too.
FICKLING = """
import sys, zipfile
from fickling.analysis import Severity
from fickling.loader import scan_file, scan_zip_archive
path = sys.argv[1]
found = scan_zip_archive(path) if zipfile.is_zipfile(path) else scan_file(path)
sys.exit(2 if found.errors else 0 if found.severity == Severity.LIKELY_SAFE else 1)
"""


class Said(NamedTuple):
    """What a tool said of a file: flagged, clean, error or hang; and how long it took."""

    word: str
    seconds: float


def main() -> None:
    """Find the payloads that fire, then ask every tool about them, and about files that are good."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--maker", required=True, help="make_corpus.py, the generator of bad inputs")
    options.add_argument("--scanners", required=True, help="bin/ of an environment with the scanners")
    options.add_argument("--loader", required=True, help="a Python with torch, numpy and joblib")
    options.add_argument("--seed", default="0")
    options.add_argument("good", nargs="*", help="further good files")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as made:
        corpus = pathlib.Path(made) / "corpus"
        command = [sys.executable, "-W", "ignore", asked.maker, str(corpus), "--no-git", "--seed", asked.seed]
        subprocess.run([*command, "--mutations", "0"], check=True, capture_output=True)
        items = json.loads((corpus / "manifest.json").read_text())["items"]
        firing = [item for item in items if fires(item, corpus, asked.loader)]
        tools = tools_of(pathlib.Path(asked.scanners))
        heading("Payloads that really run when the file is loaded: how many are flagged or refused")
        report(tools, {kind: [corpus / i["path"] for i in firing if i["kind"] == kind] for kind in KINDS})
        heading("Good files: false alarms")
        good = sorted((REPOSITORY / "tests/data/torch").glob("*.p*")) + sorted(REPOSITORY.glob("examples/*/*.pth"))
        good = [p for p in good if p.suffix in (".pt", ".pth", ".pkl")] + [pathlib.Path(p) for p in asked.good]
        report(tools, {"good": [p for p in good if p.name != "script.pt"]})
        heading("Files that are no files, and two million open groups")
        special(tools, {i["id"]: corpus / i["path"] for i in items if i["id"] in SPECIAL})


KINDS = ("pickle", "container", "torchscript")


def fires(item: "dict[str, object]", corpus: pathlib.Path, loader: str) -> bool:
    """Load a file with everything allowed, in a process of its own; tell whether its payload ran."""
    if item["kind"] not in KINDS or not item.get("payload") or not item["path"]:
        return False
    with tempfile.TemporaryDirectory() as markers:
        environment = {**os.environ, MARKERS: markers}
        command = [loader, "-c", LOADER, str(corpus / str(item["path"])), str(corpus / str(item.get("cwd") or "."))]
        try:
            subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        except subprocess.TimeoutExpired:
            pass
        written = list(corpus.rglob("*.written"))  # what TorchScript's payload leaves
        for path in written:
            path.unlink()
        return bool(os.listdir(markers) or written)


# ---------------------------------------------------------------- the tools
def tools_of(folder: pathlib.Path) -> "dict[str, Callable[[pathlib.Path], Said]]":
    """Name each tool with what asks it about a file."""
    scan = {"HOME": tempfile.gettempdir(), "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1"}
    return {
        "assay inspect": lambda p: asked([ASSAY, "inspect", "--json", str(p)], {}, ours),
        "picklescan": lambda p: asked([str(folder / "picklescan"), "-p", str(p)], scan, by_code(1)),
        "fickling": lambda p: asked([str(folder / "python"), "-c", FICKLING, str(p)], scan, by_code(1)),
        "modelscan": lambda p: asked([str(folder / "modelscan"), "scan", "-p", str(p)], scan, by_code(1)),
        "modelaudit": lambda p: asked([str(folder / "modelaudit"), "scan", "--no-cache", str(p)], scan, by_code(1)),
    }


def asked(command: "list[str]", more: "dict[str, str]", judge: "Callable[[int, str], str]") -> Said:
    """Ask a tool about one file."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command, env={**os.environ, **more}, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS,
            text=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Said("hang", SECONDS)
    return Said(judge(done.returncode, done.stdout + done.stderr), time.perf_counter() - started)


def ours(code: int, said: str) -> str:
    """Read assay: refused, or told to need trust, or a name of code that is not harmless."""
    if "Traceback" in said:
        return "error"
    if code:
        return "flagged"
    found = json.loads(said)
    judged = [row for row in found["code"] if row["verdict"] in ("dangerous", "unknown")]
    return "flagged" if found["trust"] or judged else "clean"


def by_code(flagged: int) -> "Callable[[int, str], str]":
    """Read a tool that tells by its exit code."""
    return lambda code, said: "clean" if code == 0 else "flagged" if code == flagged else "error"


# ---------------------------------------------------------------- tables
def report(tools: "dict[str, Callable[[pathlib.Path], Said]]", sets: "dict[str, list[pathlib.Path]]") -> None:
    """Print what each tool said of each set."""
    rows: list[list[object]] = []
    for name, ask in tools.items():
        for kind, paths in sets.items():
            said = [ask(path) for path in paths]
            counts = [sum(s.word == word for s in said) for word in ("flagged", "clean", "error", "hang")]
            middle = statistics.median(s.seconds for s in said) if said else 0.0
            rows.append([name, kind, len(paths), *counts, f"{middle:.2f} s"])
    table(["tool", "files", "of", "flagged", "called clean", "error", "hang", "median, with start"], rows)


def special(tools: "dict[str, Callable[[pathlib.Path], Said]]", paths: "dict[str, pathlib.Path]") -> None:
    """Print what each tool does with what should be refused at once."""
    rows: list[list[object]] = []
    for name, ask in tools.items():
        said = [ask(path) for path in paths.values()]
        rows.append([name, *(f"{s.word}, {s.seconds:.1f} s" for s in said)])
    table(["tool", *paths], rows)


if __name__ == "__main__":
    main()
