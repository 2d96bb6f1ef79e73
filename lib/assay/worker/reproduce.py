"""Repeat a workspace's steps and compare: deterministic outputs byte for byte, measured ones with their intervals.

Started by reproduce.sh as   PYTHON -I reproduce.py WORKSPACE CHECKPOINT. Standard library, Python 3.8.
Exit code: 0 the same, 1 something differs, 2 the checkpoint or the interpreter is not the one that is needed.
"""

import glob
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from statistics import median

MARGIN = 0.1


def main(workspace, checkpoint):
    """Check both needs, repeat every step, compare."""
    checkpoint = os.path.abspath(checkpoint)
    os.chdir(workspace)
    wanting = other_checkpoint(checkpoint) + other_packages()
    if wanting:
        print("\n".join("not possible here: " + w for w in wanting), file=sys.stderr)
        if other_packages():
            print("to have such an interpreter: " + cure(), file=sys.stderr)
        return 2
    scratch = "reproduced"
    shutil.rmtree(scratch, ignore_errors=True)
    same = [repeat(request, checkpoint, os.path.join(scratch, stem(request))) for request in steps()]
    print("the same" if all(same) else "something differs")
    return 0 if all(same) else 1


def steps():
    """List the requests that give results, in order."""
    found = sorted(glob.glob("scripts/[0-9][0-9]_*.json"))
    return [f for f in found if read(f)["verb"] in ("infer", "decode", "measure")]


def stem(request):
    return os.path.basename(request)[:-5]


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


# ---------------------------------------------------------------- needs
def other_checkpoint(path):
    """Say how the given checkpoint differs from the one recorded."""
    wanted = read("outputs/checkpoint.json")
    if not os.path.exists(path):
        return ["the checkpoint %s is not there" % path]
    for i, part in enumerate(wanted["files"]):
        beside = os.path.join(os.path.dirname(path), part["path"])  # external data of a single file
        place = os.path.join(path, part["path"]) if wanted["kind"] == "folder" else beside if i else path
        if not os.path.isfile(place) or sha256(place) != part["sha256"]:
            return ["%s is not the checkpoint that was examined (SHA-256 %s)" % (place, part["sha256"])]
    return []


def other_packages():
    """Say where this interpreter does not satisfy deps.lock."""
    from importlib import metadata

    lock = read("deps.lock")
    wanting = []
    if lock["python"].split(".")[:2] != platform.python_version().split(".")[:2]:
        wanting.append("Python %s is needed, this is %s" % (lock["python"], platform.python_version()))
    for name, version in sorted(lock["packages"].items()):
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = "nothing"
        if version and here != version:
            wanting.append("%s %s is needed, here is %s" % (name, version, here))
    return wanting


def cure():
    """Say how an interpreter with these packages is made."""
    lock = read("deps.lock")
    make = "uv venv --python %s NEW" % lock["python"].rpartition(".")[0]
    if lock["made"] == "new" and os.path.exists("pylock.toml"):
        return make + " && uv pip sync --python NEW pylock.toml"
    wanted = " ".join("%s==%s" % pair for pair in sorted(lock["packages"].items()))
    return make + " && uv pip install --python NEW " + wanted


# ---------------------------------------------------------------- repeating
def repeat(request, checkpoint, out):
    """Repeat one step by the worker that lies in scripts/ and compare its outputs."""
    os.makedirs(out)
    answer = os.path.join(out, "answer.json")
    command = [sys.executable, "-I", "scripts/worker/boot.py", request, answer, "--out", out]
    if "checkpoint" in read(request):
        command += ["--checkpoint", os.path.abspath(checkpoint)]
    log = os.path.join(out, "log")
    with open(log, "wb") as file:
        environment = dict(os.environ, **read(request).get("environment", {}))
        environment.update(confined(checkpoint, os.path.abspath(os.path.join(out, "home"))))
        subprocess.call(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
    result = read(answer) if os.path.exists(answer) else {"error": {"message": "the worker left no answer"}}
    if "error" in result:
        print("%s: %s; see %s" % (request, result["error"]["message"], log))
        return False
    if read(request)["verb"] == "measure":
        return measured(request, result["ok"])
    skipped = sorted(result["ok"].get("skipped", {}))
    lost = [i for i in skipped if i not in read("outputs/infer.json").get("skipped", {})]
    return compared(request, out, ["raw/%s.npz" % i for i in lost])


def confined(checkpoint, home):
    """Say what the worker, which shuts itself in as far as this kernel goes, may see besides; give it a home within."""
    os.makedirs(home)
    record, folder = read("outputs/checkpoint.json"), os.path.dirname(checkpoint)
    beside = [os.path.join(folder, part["path"]) for part in record["files"][1:] if record["kind"] != "folder"]
    places = {name: home for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    return dict(places, ASSAY_READABLE=json.dumps(beside))


def compared(request, out, lost):
    """Compare every file that a step wrote with the one of the same name here; lost are those it wrote only here."""
    count, other = 0, list(lost)
    for folder, _, names in os.walk(out):
        for name in names:
            relative = os.path.relpath(os.path.join(folder, name), out)
            if relative.split(os.sep)[0] not in ("raw", "outputs", "pictures", "sounds"):
                continue
            count += 1
            if not os.path.exists(relative) or sha256(relative) != sha256(os.path.join(out, relative)):
                other.append(relative)
    print(
        "%s: %d files, %s"
        % (request, count, "byte for byte the same" if not other else "these differ: " + ", ".join(other))
    )
    return not other and count > 0


def measured(request, answer):
    """Compare the repeated latency with the recorded one, each relative to its own reference kernel; this is told only.

    Two processes on one machine differ by more than the interval of either, hence the margin.
    """
    name = stem(request).split("-", 1)[1]
    recorded = [c for c in read("outputs/stats.json")["configurations"] if c["id"] == name]
    samples = answer.get("samples", {})
    for latency in recorded[0]["latency"] if recorded else []:
        series, old = samples.get(latency["scope"]), latency["normalised"]
        if series and samples.get("reference") and old.get("is") == "measured":
            now = median(series["cpu"]) / median(samples["reference"]["cpu"])
            low, high = (old["low"] or old["value"]) * (1 - MARGIN), (old["high"] or old["value"]) * (1 + MARGIN)
            word = "as before" if low <= now <= high else "faster than before" if now < low else "slower than before"
            was = latency["experienced"]["p50"].get("value", 0.0)
            what = (request, latency["scope"], median(series["wall"]) * 1000, was, now, old["value"], word)
            print("%s: %s p50 %.3g ms, recorded %.3g; %.3g times the reference, recorded %.3g: %s" % what)
    return bool(recorded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
