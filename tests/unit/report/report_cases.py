"""Seven experiments as records: what the stages would leave in outputs/, made through our own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from assay import quality, records, statistics
from assay.domain import Target
from assay.report import verdict
from assay.report.doubts import doubts
from assay.report.view import Context, StageFiles

NAMED = ("checkpoint", "tree", "licence", "labels", "input", "raw", "picture")
SHA = {name: f"{i:x}" * 64 for i, name in enumerate(NAMED, 1)}
HARDWARE = records.Hardware(host="bench", cpu="Example CPU 8-core", cores=8, memory_mib=16000, gpus=[])
CONTEXT = Context(
    experiment="yolo",
    version="0.1.0",
    notes="# My view\nThe boxes on the left edge look wrong; <b>check</b> them.\n\n- see picture 2",
    notes_by="A. Author",
    stages=(StageFiles("infer", "logs/infer.log"), StageFiles("measure", "logs/measure.log")),
)


def target(key: str, op: str, limit: float) -> Target:
    """Read a key such as latency_ms.p50[batch=8,scope=model]."""
    metric, _, rest = key.partition("[")
    where = dict(part.split("=") for part in rest.rstrip("]").split(",")) if rest else {}
    return Target(key=key, metric=metric, where=where, op=op, limit=limit)


# ---------------------------------------------------------------- series
def series(milliseconds: float, n: int, slowed: float = 1.0, busy: int = 0) -> dict[str, list[Any]]:
    """Make a fixed, slightly uneven series; every busy-th iteration is interrupted and takes longer on the wall."""
    cpu = [milliseconds * (1 + 0.02 * math.sin(7.0 * i) + 0.01 * (i % 5)) / 1e3 for i in range(n)]
    hit = [1 if busy and i % busy == 0 else 0 for i in range(n)]
    wall = [c * (slowed if h else 1.0005) for c, h in zip(cpu, hit, strict=True)]
    return {"wall": wall, "cpu": cpu, "nivcsw": hit}


def answer(scale: float = 1.0, n: int = 120, slowed: float = 1.0, busy: int = 0, parts: bool = True) -> dict[str, Any]:
    """Make the worker's answer to measure."""
    times = {"model": 8.0, "model_quiet": 7.9}
    if parts:
        times |= {"end_to_end": 12.0, "preprocess": 3.0, "postprocess": 1.0}
    samples = {scope: series(ms * scale, n, slowed, busy) for scope, ms in times.items()}
    samples["model_quiet"] = series(7.9 * scale, n)
    samples["reference"] = series(0.5, n)
    return {
        "cold": {"start": 0.41, "read": 0.002, "build": 0.055, "first": 0.093},
        "samples": samples,
        "memory": {
            "ram_idle_mib": 61.2, "ram_build_mib": 88.0, "ram_first_mib": 101.5, "ram_steady_mib": 102.25,
            "vram_allocated_mib": {"reason": "no GPU"}, "vram_reserved_mib": {"reason": "no GPU"},
            "vram_process_mib": {"reason": "no GPU"},
        },
        "warmup": 24,
        "warmup_settled": True,
        "runtime": {"device": "cpu", "provider": "CPUExecutionProvider", "versions": {"onnxruntime": "1.20.1"}},
        "noise": {
            "load_before": 0.4, "load_after": 1.2, "involuntary_switches": 7, "steal_ticks": 0,
            "pressure": "some avg10=0.93 avg60=1.20 avg300=2.00 total=89098829",
            "governor": "performance",
        },
    }  # fmt: skip


def measured(answers: dict[tuple[int, int], dict[str, Any]]) -> records.Stats:
    """Summarise answers by (batch, threads)."""
    found = [
        statistics.summarise(a, batch=b, threads=t, precision="fp32", isolation="bubblewrap")
        for (b, t), a in answers.items()
    ]
    return statistics.stats(found, list(answers.values()), HARDWARE)


# ---------------------------------------------------------------- records
def checkpoint(**more: Any) -> records.Checkpoint:
    """Describe a small ONNX file."""
    graph = records.Graph(
        inputs=[records.Tensor(name="images", dtype="float32", shape=["N", 3, 96, 96])],
        outputs=[records.Tensor(name="boxes", dtype="float32", shape=["N", 6, 36])],
        opset={"": 17}, ir_version=8, producer="tinytrain 1.0", nodes=31, ops={"Conv": 9},
    )  # fmt: skip
    values: dict[str, Any] = {
        "name": "tinyyolo.onnx", "kind": "file", "bytes": 109132, "sha256": SHA["checkpoint"],
        "files": [records.CheckpointFile(path="tinyyolo.onnx", bytes=109132, sha256=SHA["checkpoint"])],
        "format": records.Format(name="onnx", by="content", runs_here=True),
        "claimed": {"license": "MIT", "url": "https://example.org/tinyyolo", "version": "1.0"}, "graph": graph,
        "tensors": [records.Weight(name="w", dtype="float32", shape=[25549], parameters=25549, bytes=102196, at=64)],
        "parameters": 25549, "totals": {"float32": records.Total(tensors=1, parameters=25549, bytes=102196)},
        "values": records.Values(checked=25549),
    }  # fmt: skip
    return records.Checkpoint(**(values | more))


def refs(licence: str = "MIT", non_commercial: bool = False, dirty: bool | None = False) -> records.Refs:
    """Describe one upstream tree."""
    tree = records.SourceTree(
        name="tinyyolo", kind="git", url="https://example.org/tinyyolo.git", rev="v1.0", commit="4f1c2aa" * 5 + "4f1c2",
        tag="v1.0", dirty=dirty, tree_sha256=SHA["tree"], left_out=[],
        files=[records.SourceFile(path="detect.py", bytes=900, sha256=SHA["tree"])],
        license=records.License(
            file="LICENSE" if licence != "none" else "", name=licence, non_commercial=non_commercial,
            sha256=SHA["licence"],
        ),
    )  # fmt: skip
    return records.Refs(trees=[tree])


def claim(id: str, value: Any, status: str = "verified", **more: Any) -> records.Claim:
    """Make a claim read at a line of upstream's file."""
    place = records.Evidence(kind="source", where="refs/tinyyolo/detect.py:12", text="x = (x - 127.5) / 127.5")
    return records.Claim(id=id, value=value, status=status, by="reading", evidence=[place], **more)


def contract(task: str, functions: dict[str, str], claims: list[records.Claim], **more: Any) -> records.Contract:
    """Put a contract together."""
    values: dict[str, Any] = {
        "task": task, "batch_axis": 0, "max_batch": None, "labels": ["disc", "square"], "functions": functions,
        "inputs": [records.Tensor(name="images", dtype="float32", shape=["N", 3, 96, 96])],
        "outputs": [records.Tensor(name="boxes", dtype="float32", shape=["N", 6, 36])],
        "claims": claims, "questions": [],
    }  # fmt: skip
    return records.Contract(**(values | more))


def inputs(
    n: int, origin: str = "upstream", suffix: str = "png", labels: dict[str, Any] | None = None
) -> records.Inputs:
    """List the inputs."""
    items = [
        records.InputItem(
            id=f"{i:03d}", file=f"inputs/{i:03d}.{suffix}", bytes=4000 + i, sha256=SHA["input"], origin=origin,
            source=f"refs/tinyyolo/samples/{i}.png" if origin != "synthesised" else "contract: float32, seed 0",
        )
        for i in range(n)
    ]  # fmt: skip
    file = "examples/tinyyolo/labels.json" if labels else ""
    digest = SHA["labels"] if labels else ""
    note = "made-up tensors: no real input was found" if origin == "synthesised" else ""
    return records.Inputs(items=items, labels=labels or {}, labels_file=file, labels_sha256=digest, note=note)


def facts(name: str, shape: list[int]) -> records.ArrayFacts:
    """Describe a tensor."""
    ends = {"minimum": -1.0, "maximum": 1.0, "mean": 0.02}
    return records.ArrayFacts(name=name, dtype="float32", shape=shape, nonfinite=0, **ends)


def ran(n: int, picture: bool = True) -> dict[str, records.Record]:
    """Write infer and artifacts for n inputs."""
    runtime = records.Runtime(
        device="cpu", provider="CPUExecutionProvider", precision="fp32", threads=1, batch=1,
        versions={"onnxruntime": "1.20.1"}, isolation="bubblewrap", lacking=[],
    )  # fmt: skip
    tensor, out = [facts("images", [1, 3, 96, 96])], [facts("boxes", [1, 6, 36])]
    items = [
        records.RawItem(id=f"{i:03d}", file=f"raw/{i:03d}.npz", sha256=SHA["raw"], tensors=tensor, outputs=out)
        for i in range(n)
    ]
    artifacts = [
        records.Artifact(
            id=item.id, input=f"inputs/{item.id}.png", input_sha256=SHA["input"], tensors=tensor, raw=item.file,
            raw_sha256=SHA["raw"], picture=f"pictures/{item.id}.png" if picture else "",
            picture_sha256=SHA["picture"] if picture else "",
        )
        for item in items
    ]  # fmt: skip
    command = "python -I scripts/worker/boot.py scripts/60_infer.json answer.json --out raw --checkpoint CHECKPOINT"
    return {
        "infer": records.Infer(status=records.Status(), items=items, runtime=runtime),
        "artifacts": records.Artifacts(items=artifacts, runtime=runtime, command=command),
    }


def surroundings() -> dict[str, records.Record]:
    """Write environment and parameters."""
    package = records.Package(name="onnxruntime", version="1.20.1", why="the checkpoint is onnx", group="runtime")
    lazy = records.Package(name="thop", version="", why="up/detect.py:118 imports thop", group="utility")
    broken = records.Rung(
        number=2, what="the latest of what is missing", packages=["onnxruntime==1.21.0"], outcome="broken",
        message="adapter.py:3: onnxruntime has no InferenceSession", culprit="onnxruntime",
    )
    served = records.Rung(
        number=4, what="upstream's own pins", packages=["onnxruntime==1.20.1"], outcome="ok", message="", culprit="",
    )
    return {
        "environment": records.Environment(
            manager="venv", chosen_because="no other manager was found", python="3.11.9", implementation="CPython",
            platform="linux-x86_64", packages=[package, lazy], missing=[], made="added",
            note="uv.lock is here: `uv sync` removes what it does not list; `uv add PACKAGE` lists it",
            rungs=[broken, served], unseen=["up/registry.py:9 (module name is computed)"],
            unknown=["mystery: no package is known that provides it"],
        ),
        "params": records.Params(
            params={"score_threshold": records.Param(value=0.25, origin="yaml", used_by=["postprocess"])}
        ),
    }  # fmt: skip


def probe(**more: Any) -> records.Probe:
    """Describe a probing run without surprise."""
    values: dict[str, Any] = {
        "status": records.Status(), "runtime": "onnxruntime 1.20.1", "inputs": [], "outputs": [], "observed": [],
        "dims": {"images/0": "dynamic"}, "batch": "works", "deterministic": True, "notes": [],
    }  # fmt: skip
    return records.Probe(**(values | more))


def concluded(found: dict[str, records.Record], targets: list[Target], metrics: list[records.Metric]) -> dict[str, Any]:
    """Judge the targets, add metrics.json, and write everything as JSON values."""
    stats, agreed, given = found.get("stats"), found.get("contract"), found.get("inputs")
    judged = verdict.judge(targets, stats if isinstance(stats, records.Stats) else None, metrics)
    statuses = {name: getattr(record, "status", None) for name, record in found.items()}
    word, because = verdict.verdict(
        judged,
        agreed if isinstance(agreed, records.Contract) else None,
        statuses,
        given if isinstance(given, records.Inputs) else None,
        doubts(found["match"], found["agreement"]) if "agreement" in found else (),  # type: ignore[arg-type]
    )
    whole = found | {"metrics": records.Metrics(metrics=metrics, targets=judged, verdict=word, because=because)}
    return {name: records.to_json(record) for name, record in whole.items()}


# ---------------------------------------------------------------- the experiments
WHOLE = {"build": "default", "preprocess": "default", "infer": "default", "postprocess": "recipe", "draw": "recipe"}
CLAIMS = [
    claim("layout", "NCHW"),
    claim("mean", [127.5, 127.5, 127.5]),
    claim("resize", {"mode": "bilinear", "size": [96, 96]}, "confirmed"),
]


def detections(n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make predictions and labels of n inputs, every ninth with a miss and a false alarm."""
    labels: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for i in range(n):
        label, box = ("disc", "square")[i % 2], [10.0 + i, 10.0, 40.0 + i, 44.0]
        labels[f"{i:03d}"] = [{"label": label, "box": box}]
        seen = [60.0, 60.0, 80.0, 80.0] if i % 9 == 4 else [x + 1.5 for x in box]
        found[f"{i:03d}"] = [{"label": label, "score": round(0.95 - 0.01 * i, 3), "box": seen}]
    return found, labels


def detection(slow: float = 1.0, **busy: Any) -> dict[str, Any]:
    """A whole run with source, labels and several configurations."""
    found, labels = detections(24)
    plain = answer(slow, **busy)
    threaded = answer(0.4 * slow, 120, busy=3, slowed=1.1)
    stats = measured({(1, 1): plain, (8, 1): answer(7 * slow, 60, **busy), (1, 8): threaded})
    items = [records.Prediction(id=id, result=result) for id, result in found.items()]
    whole: dict[str, records.Record] = {
        "checkpoint": checkpoint(), "refs": refs(), **surroundings(), "probe": probe(), **ran(24),
        "contract": contract("detection", WHOLE, CLAIMS), "inputs": inputs(24, labels=labels),
        "predictions": records.Predictions(status=records.Status(), items=items), "stats": stats,
    }  # fmt: skip
    targets = [
        target("latency_ms.p50", "<=", 20),
        target("latency_ms.p50[batch=8,scope=model]", "<=", 90),
        target("map50", ">=", 0.6),
        target("peak_ram_mib", "<=", 120),
        target("cold_start_ms", "<=", 1000),
    ]
    return concluded(whole, targets, quality.measure("detection", found, labels, threshold=0.25))


def missed() -> dict[str, Any]:
    """The same model, twice too slow for its limit."""
    return detection(2.5)


def contended() -> dict[str, Any]:
    """The same model on a machine that does other work."""
    return detection(1.0, slowed=3.0, busy=1)


def classification() -> dict[str, Any]:
    """A classifier with few labels, a dirty tree without licence, and an edited adapter."""
    labels = {f"{i:03d}": str(i % 10) for i in range(12)}
    found = {id: {"label": label if id != "003" else "8", "score": 0.9} for id, label in labels.items()}
    functions = WHOLE | {"preprocess": "edited", "draw": "none"}
    claims = [claim("layout", "NCHW"), claim("scale", 255, "read", identified=False)]
    whole: dict[str, records.Record] = {
        "checkpoint": checkpoint(name="digits.onnx", claimed={}), "refs": refs("none", dirty=True), **surroundings(),
        "probe": probe(deterministic=False), **ran(12, picture=False),
        "contract": contract("classification", functions, claims), "inputs": inputs(12, labels=labels),
        "predictions": records.Predictions(
            status=records.Status(), items=[records.Prediction(id=id, result=r) for id, r in found.items()]
        ),
        "stats": measured({(1, 1): answer(0.1, 20)}),
    }  # fmt: skip
    targets = [target("latency_ms.p90", "<=", 5), target("accuracy", ">=", 0.8)]
    return concluded(whole, targets, quality.measure("classification", found, labels))


PICKLED: dict[str, Any] = {
    "trust": ["it names code that can do harm: os.system"],
    "cannot": ["2 of its weights are compressed"],
    "risks": ["2 pickles follow one another: a loader may read only the first"],
    "code": [
        records.Named(name="os.system", verdict="dangerous", why="can run commands", where="data.pkl"),
        records.Named(name="my_net.Net", verdict="unknown", why="not known here", times=3),
        records.Named(name="argparse.Namespace", verdict="harmless", why="holds data"),
        records.Named(name="torch.FloatStorage", verdict="tensors", why="makes tensors", times=40),
    ],
    "parts": {
        "ema": records.Total(tensors=1, parameters=10, bytes=40),
        "model": records.Total(tensors=1, parameters=25549, bytes=102196),
    },
    "shared": [["head.weight", "embed.weight"]], "quantised": ["w: quantised tensor affine, scale 0.1"],
    "wrapper": ["model: a pickled my_net.Net"], "leftovers": {"epoch": 3, "args": {"lr": 0.1}},
    "values": records.Values(checked=25549, nonfinite={"w": 7}, zero=["b"], unchecked={"compressed": 2}),
    "labels": ["disc", "square"], "looks_like": records.Hint(family="ResNet", because="tensors are called so"),
    "documents": [records.Document(path="README.md", bytes=90, sha256=SHA["licence"])],
}  # fmt: skip


def blocked() -> dict[str, Any]:
    """A checkpoint without source: preprocessing is unknown, nothing ran."""
    status = records.Status(
        word="blocked", reason="pickle does not run in this version", question="is there an ONNX export of this model?"
    )
    functions = dict.fromkeys(WHOLE, "none")
    ask = "How does a picture become the tensor?"
    question = records.Question(id="preprocess", ask=ask, options=["/255", "mean, std"])
    whole: dict[str, records.Record] = {
        "checkpoint": checkpoint(format=records.Format(name="pickle", by="content"), graph=None, **PICKLED),
        "refs": records.Refs(trees=[], note="no source was given"),
        "contract": contract("", functions, [claim("layout", None, "unknown")], questions=[question], batch_axis=None),
        "match": records.Match(status=status), "infer": records.Infer(status=status, items=[], runtime=None),
        "predictions": records.Predictions(status=status, items=[]),
        "stats": records.Stats(status=status, hardware=None, configurations=[], noise=None, method="", samples=""),
    }  # fmt: skip
    return concluded(whole, [target("latency_ms.p50", "<=", 20)], quality.measure("", {}, {}))


def synthesised() -> dict[str, Any]:
    """An ONNX file alone: it runs on made-up tensors, nobody knows what its answers mean."""
    functions = {"build": "default", "preprocess": "none", "infer": "default", "postprocess": "none", "draw": "none"}
    stuck = records.Status(word="blocked", reason="postprocessing is unknown", question="what do the outputs mean?")
    empty = records.Predictions(status=stuck, items=[])
    whole: dict[str, records.Record] = {
        "checkpoint": checkpoint(), "refs": records.Refs(trees=[], note="no source was given"), **surroundings(),
        "probe": probe(), **ran(2, picture=False), "contract": contract("detection", functions, []),
        "inputs": inputs(2, "synthesised", "npz"), "predictions": empty,
        "stats": measured({(1, 1): answer(1.0, 400, parts=False), (8, 1): {"blocked": "the batch axis is fixed at 1"}}),
    }  # fmt: skip
    targets = [target("latency_ms.p50", "<=", 20), target("map50", ">=", 0.6)]
    return concluded(whole, targets, quality.measure("detection", {}, {}))


def drafted() -> dict[str, Any]:
    """Weights and their source, no recipe: class, run and adapter found; one input on which it parts from upstream."""
    place = {"where": "tinyyolo/model.py:20", "text": "class TinyYolo(nn.Module):"}
    args = [
        records.MatchArgument(name="num_classes", value=3, by="call", identified=True),
        records.MatchArgument(name="dropout", value=0.1, by="default", identified=False),
    ]
    best = records.Matched(module="model", root="tinyyolo", path="tinyyolo/model.py", qualname="TinyYolo", args=args,
                           matched=38, missing=["aux.weight"], **place)  # fmt: skip
    rehearsals = [
        records.Rehearsal(function="build", outcome="same", runs=9, difference=0.0),
        records.Rehearsal(function="draw", outcome="not written"),
    ]
    started = records.Attempt(entry="tinyyolo/detect.py", argv=["@input"], cwd="", kind="image", outcome="ok")
    seen = records.Observation(
        status="seen", attempts=[started], runs=[records.Watched(input="chart.png", outcome="ok", calls=1)],
        interventions=[records.Intervention(what="watched on the CPU: .cuda() stays there", where="detect.py:9")],
        draft=records.Draft(text="...", by="drafted", functions=["build"], rehearsals=rehearsals),
    )  # fmt: skip
    agreed = [
        records.Agreed(id="000", tensors="same", outputs="same", answer="same", difference=0.0),
        records.Agreed(id="001", tensors="same", outputs="same", answer="different", message="/0/score: 0.51"),
    ]
    found, labels = detections(2)
    items = [records.Prediction(id=id, result=result) for id, result in found.items()]
    whole: dict[str, records.Record] = {
        "checkpoint": checkpoint(format=records.Format(name="torch-zip", by="content", carries="weights"), graph=None),
        "refs": refs(), **surroundings(), "probe": probe(observation=seen), **ran(2),
        "match": records.Match(status=records.Status(reason="TinyYolo has all 38 tensors, and 1 more of its own"),
                               outcome="subset", best=best, missing=["aux.weight"], constructions=5),
        "contract": contract("detection", dict.fromkeys(WHOLE, "drafted"), [claim("pre.std", [255.0] * 3)], roots=["tinyyolo"], reads="image"),
        "inputs": inputs(2, labels=labels), "stats": measured({(1, 1): answer()}),
        "agreement": records.Agreement(status=records.Status(), entry="tinyyolo/detect.py", items=agreed),
        "predictions": records.Predictions(status=records.Status(), items=items),
    }  # fmt: skip
    return concluded(whole, [target("latency_ms.p50", "<=", 20)], quality.measure("detection", found, labels))


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "detection": detection,
    "missed": missed,
    "contended": contended,
    "classification": classification,
    "blocked": blocked,
    "synthesised": synthesised,
    "drafted": drafted,
}
