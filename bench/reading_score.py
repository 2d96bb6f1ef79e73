"""Holding what assay claims about a model's use against a truth that was read by hand, fact by fact."""

import ast
import math
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

RIGHT, UNKNOWN, WRONG = "right", "unknown", "wrong"
SILENT = "rightly silent"  # there was nothing to find, and nothing was said
SKIPPED = "not scored"
SURE = ("observed", "verified", "confirmed", "corrected")
TOLERANCE, EXACT = 1e-3, 1e-9

# truths in prose: no mechanical comparison exists
PROSE = ("model.wrapper", "pre.normalisation", "pre.other", "post.output", "post.anchors", "post.decode")
READER = re.compile(r"\b(?:cv2|PIL\.Image|librosa|soundfile|torchaudio|numpy|np|imageio)\.\w+")
LAYOUT = re.compile(r"[NCDHWLT]{2,5}")
ACTIVATIONS = ("none", "log_softmax", "softmax", "sigmoid", "tanh", "argmax", "clamp", "relu")
PARAMS = {
    "post.score_threshold": ("score_threshold", "conf_threshold", "confidence_threshold", "conf_thres", "min_score"),
    "post.iou_threshold": ("iou_threshold", "nms_threshold", "iou_thres", "nms_thresh"),
    "post.topk": ("topk", "top_k", "max_det", "keep_top_k"),
}


class Mark(NamedTuple):
    """One fact, and how what was said of it stands to the truth."""

    field: str
    verdict: str
    found: Any = None
    true: Any = None
    status: str = ""  # of the claim
    note: str = ""


class Said(NamedTuple):
    """A value, and how sure the tool is of it; None when it says nothing definite."""

    value: Any
    status: str


class Outputs(NamedTuple):
    """The records of one experiment; a missing one is empty."""

    contract: dict[str, Any]
    match: dict[str, Any]
    params: dict[str, Any]
    checkpoint: dict[str, Any]

    def said(self, field: str) -> Said:
        """Give what is said of a fact: the claim, else a parameter of the adapter, else the contract's labels."""
        claim = next((c for c in self.contract.get("claims", []) if c["id"] == field), None)
        if claim and claim["status"] == "conflict":
            return Said("conflict", "conflict")
        if claim and claim["status"] in (*SURE, "read") and claim["value"] is not None:
            return Said(claim["value"], claim["status"])
        params = self.params.get("params", {})
        held = next((params[n]["value"] for n in PARAMS.get(field, ()) if n in params), None)
        if held is not None:
            return Said(held, "observed")  # it takes part in what runs
        labels = self.contract.get("labels", [])
        if labels and field in ("labels.names", "labels.count"):
            return Said(labels if field == "labels.names" else len(labels), "read")
        return Said(None, claim["status"] if claim else "")


def marks(truth: dict[str, Any], outputs: Outputs, checkout: pathlib.Path) -> list[Mark]:
    """Score every fact of a repository's truth."""
    facts = truth["truth"]
    built = model_class(facts["model.class"], outputs, checkout)
    found = [built, *arguments(facts["model.args"], outputs, built, checkout)]
    for field, fact in facts.items():
        if field not in ("model.class", "model.args", "run.entry", "run.argv"):
            found.append(plain(field, fact, outputs))
    return found + entry(truth, outputs)


def beyond(truth: dict[str, Any], outputs: Outputs) -> list[str]:
    """Name the definite claims about use that the truth is silent on."""
    ids = [c["id"] for c in outputs.contract.get("claims", []) if outputs.said(c["id"]).value is not None]
    parts = ("pre.", "post.", "labels.")
    return [i for i in ids if i.startswith(parts) and i not in truth["truth"] and not i.endswith(".function")]


# ---------------------------------------------------------------- comparing
def same(a: Any, b: Any) -> bool:
    """Tell whether two values mean the same; one number stands for a list of it."""
    return _same(a, b, EXACT)


def close(a: Any, b: Any) -> bool:
    """Tell whether measured values are the same within the tolerance."""
    return _same(a, b, TOLERANCE)


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold() == b.casefold()
    if isinstance(a, list) and isinstance(b, list):
        longest = max(len(a), len(b))
        a, b = (v * longest if len(v) == 1 else v for v in (a, b))
        return len(a) == len(b) and all(_same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, list) and isinstance(b, (int, float)):
        return bool(a) and all(_same(one, b, tolerance) for one in a)
    return _same(b, a, tolerance) if isinstance(b, list) and isinstance(a, (int, float)) else bool(a == b)


def layout(a: Any, b: Any) -> bool:
    """Compare orders of axes; what the last axis of a sound or series is called does not matter."""
    words = [re.sub("[LT]", "W", w.group()) if (w := LAYOUT.match(str(v))) else None for v in (a, b)]
    return words[0] is not None and words[0] == words[1]


def reader(a: Any, b: Any) -> bool:
    """Compare the function that reads a file with the prose that names it."""
    return bool(set(READER.findall(str(a))) & set(READER.findall(str(b))))


def activation(a: Any, b: Any) -> bool:
    """Compare an activation with the prose that names it; one inside the network may be told as none after it."""
    said, true = (set(_words(v)) for v in (a, b))
    return bool(said) and (said <= true or ("inside the network" in str(b) and said == {"none"}))


def _words(text: Any) -> Iterator[str]:
    return (w for w in re.findall(r"[a-z_]+", str(text).casefold()) if w in ACTIVATIONS)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("pre.mean", "pre.std", "post.score_threshold", "post.iou_threshold"), close),
    "pre.layout": layout,
    "pre.decode": reader,
    "post.activation": activation,
}


def comparable(field: str, true: Any) -> bool:
    """Tell whether a machine can hold a value against this truth."""
    if field in PROSE:
        return False
    if not isinstance(true, str):
        return True
    if field == "pre.layout":
        return LAYOUT.match(true) is not None
    if field == "pre.decode":
        return READER.search(true) is not None
    return field != "post.activation" or next(_words(true), None) is not None


# ---------------------------------------------------------------- plain facts
def plain(field: str, fact: dict[str, Any], outputs: Outputs) -> Mark:
    """Score one claim by the corpus's rules."""
    said = outputs.said(field)
    true, accept = fact.get("value"), fact.get("accept", [])
    known = "unknown" not in fact and true is not None
    shown = true if known else "(none)" if "unknown" not in fact else "(nowhere said)"
    if (known and not comparable(field, true)) or field in PROSE:
        return Mark(field, SKIPPED, said.value, shown, said.status, "prose")
    equal = COMPARE.get(field, same)
    if said.value is None or (said.status == "conflict" and "conflict" not in accept):
        free = not known or "unknown" in accept
        return Mark(field, SILENT if free else UNKNOWN, said.value, shown, said.status)
    if (known and equal(said.value, true)) or any(equal(said.value, one) for one in accept):
        return Mark(field, RIGHT, said.value, shown, said.status)
    if not known and says_nothing(field, outputs):
        return Mark(field, SILENT, said.value, shown, said.status)
    return Mark(field, WRONG, said.value, shown, said.status)


def says_nothing(field: str, outputs: Outputs) -> bool:
    """Tell whether a value amounts to none: the word, or a mean of 0 with a deviation of 1."""
    if field in ("pre.mean", "pre.std"):
        mean, std = (outputs.said(name).value for name in ("pre.mean", "pre.std"))
        return mean is not None and std is not None and close(mean, 0) and close(std, 1)
    return same(outputs.said(field).value, "none")


# ---------------------------------------------------------------- class and arguments
def model_class(fact: dict[str, Any], outputs: Outputs, checkout: pathlib.Path) -> Mark:
    """Score the class: the same name in the same file, or a factory there that makes it."""
    said, true = outputs.said("model.class"), fact["value"]
    names = [true, *fact.get("accept", [])]
    if said.value is None:
        archive = outputs.checkpoint.get("format", {}).get("name") == "torchscript"
        if archive and true.startswith("TorchScript") and outputs.match.get("outcome") == "not needed":
            return Mark("model.class", RIGHT, "the archive itself", true, note="no claim")
        return Mark("model.class", UNKNOWN, None, true, said.status)
    best = outputs.match.get("best") or {}
    path = best.get("path", "").partition("/")[2]
    wanted = {(where.partition(":")[0], name.rpartition(":")[2]) for where in fact["where"][:1] for name in names}
    right = said.value in names or (path, best.get("qualname")) in wanted
    note = ""
    if not right and best.get("kind") == "factory":
        calls = made(checkout / path, best["qualname"])
        right = any(qualname in calls for _, qualname in wanted)
        note = "a factory of it"
    return Mark("model.class", RIGHT if right else WRONG, said.value, true, said.status, note)


def made(file: pathlib.Path, function: str) -> set[str]:
    """Name what a function calls."""
    node = _definition(file, function)
    calls = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)] if node else []
    return {f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, (ast.Name, ast.Attribute))}


def arguments(fact: dict[str, Any], outputs: Outputs, built: Mark, checkout: pathlib.Path) -> list[Mark]:
    """Score the arguments one by one; others that are passed must be their defaults."""
    true, accept = fact["value"], fact.get("accept", [])
    best = outputs.match.get("best") or {}
    given = {one["name"]: one for one in best.get("args", [])}
    found = [_argument(name, value, accept, outputs, built) for name, value in true.items()]
    defaults = default_values(checkout / best.get("path", "").partition("/")[2], best.get("qualname", ""))
    for name, one in given.items():
        field = f"model.args.{name}"
        if name in true or not one["passed"]:
            continue
        if name not in defaults:
            found.append(Mark(field, SKIPPED, one["value"], "(not in the truth)", outputs.said(field).status))
        elif not same(one["value"], defaults[name]):
            found.append(Mark(field, WRONG, one["value"], defaults[name], outputs.said(field).status, "the default"))
    if not true and not any(mark.verdict == WRONG for mark in found):
        verdict = RIGHT if built.verdict == RIGHT else UNKNOWN
        found.append(Mark("model.args", verdict, {} if verdict == RIGHT else None, {}, note="no claim"))
    return found


def _argument(name: str, value: Any, accept: list[Any], outputs: Outputs, built: Mark) -> Mark:
    field, said = f"model.args.{name}", outputs.said(f"model.args.{name}")
    others = [one[name] for one in accept if isinstance(one, dict) and name in one]
    if said.value is not None:
        right = any(same(said.value, one) for one in (value, *others))
        return Mark(field, RIGHT if right else WRONG, said.value, value, said.status)
    left_out = any(isinstance(one, dict) and name not in one for one in accept)
    if left_out and built.verdict == RIGHT:
        return Mark(field, RIGHT, "not passed", value, note="no claim")
    return Mark(field, UNKNOWN, None, value, said.status)


def default_values(file: pathlib.Path, qualname: str) -> dict[str, Any]:
    """Read the plain defaults of what makes a model."""
    node = _definition(file, qualname)
    if isinstance(node, ast.ClassDef):
        inits = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        node = inits[0] if inits else None
    if not isinstance(node, ast.FunctionDef):
        return {}
    spec = node.args
    last = spec.args[len(spec.args) - len(spec.defaults) :]
    found = {}
    for argument, default in [*zip(last, spec.defaults), *zip(spec.kwonlyargs, spec.kw_defaults)]:
        try:
            found[argument.arg] = ast.literal_eval(default) if default else None
        except ValueError:
            continue
    return found


def _definition(file: pathlib.Path, name: str) -> "ast.ClassDef | ast.FunctionDef | None":
    if not name or not file.is_file():
        return None
    tree = ast.parse(file.read_text(encoding="utf-8", errors="replace"))
    nodes = [n for n in ast.walk(tree) if isinstance(n, (ast.ClassDef, ast.FunctionDef))]
    return next((n for n in nodes if n.name == name.rpartition(".")[2]), None)


# ---------------------------------------------------------------- how it is run
def entry(truth: dict[str, Any], outputs: Outputs) -> list[Mark]:
    """Score what was run, where the truth says so: the file, and the words that it must be given."""
    found, facts = [], truth["truth"]
    if "run.entry" in facts:
        true, said = facts["run.entry"]["value"], outputs.said("run.entry")
        path = said.value and said.value.partition("/")[2]
        verdict = UNKNOWN if said.value is None else RIGHT if path == true else WRONG
        found.append(Mark("run.entry", verdict, path, true, said.status))
    if "run.argv" in facts:
        true, said = facts["run.argv"]["value"], outputs.said("run.argv")
        words = [truth["weights"] if w == "@checkpoint" else w for w in said.value or []]
        verdict = UNKNOWN if said.value is None else RIGHT if all(w in words for w in true) else WRONG
        found.append(Mark("run.argv", verdict, said.value, true, said.status))
    return found
