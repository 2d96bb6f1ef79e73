"""The adapter of a Hugging Face folder, written out: the library does the work, the constants cite the configs."""

from typing import NamedTuple

from assay.huggingface import labels, pieces, words
from assay.huggingface.families import PICTURE, SOUND
from assay.huggingface.folder import CONFIG, GENERATION, TOKENIZER, Folder
from assay.huggingface.plan import Plan, beside, packages, plan, processor_name
from assay.huggingface.reading import activation

HEAD = '''"""How @NAME@ is used, written from the folder's own configs; transformers does the work.

processor/ beside this file holds the folder's small files. Tensors and outputs are those of one input, a batch of one.
"""
'''
# Positions that are not the text's own: these models count from behind the padding's number.
SHIFTED = frozenset(("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "data2vec-text", "mpnet", "ibert"))
INFERS = {
    "classify": ("the score of each class", '"logits": answer.logits'),
    "tag": ("the scores of each token's classes", '"logits": answer.logits'),
    "fill": ("the scores of every token at every place", '"logits": answer.logits'),
    "hear": ("the scores of each frame's signs", '"logits": answer.logits'),
    "detect": ("classes and boxes", '"logits": answer.logits, "pred_boxes": answer.pred_boxes'),
    "segment": ("the scores of each class, coarser than the picture", '"logits": answer.logits'),
    "depth": ("the depths, at the model's own size", '"predicted_depth": answer.predicted_depth'),
}
ACTIVATIONS = {"softmax": ".softmax(-1)", "sigmoid": ".sigmoid()"}


class Written(NamedTuple):
    """An adapter, and why it lacks what it lacks."""

    text: str  # "" when none could be written: then `reason` says why
    reason: str
    functions: tuple[str, ...]
    why: dict[str, str]  # function -> why it could not be written
    beside: tuple[str, ...]  # the folder's files that go to processor/ next to the adapter
    packages: tuple[str, ...]


def write(folder: Folder, *, trusted: bool = False) -> Written:
    """Write the adapter; `trusted`: a person trusts the code of this very folder."""
    found = plan(folder, trusted=trusted)
    if isinstance(found, str):
        return Written("", found, (), {}, (), ())
    parts = [*_running(folder, found), *_preparing(folder, found), *_decoding(folder, found)]
    body = "\n".join(_filled(part, _values(folder, found)) for part in parts)
    text = _filled(HEAD, {"NAME": _plain(folder.name)}) + _imports(folder, found, body) + body
    names = tuple(name for name in ("build", "preprocess", "infer", "postprocess", "draw") if f"\ndef {name}(" in text)
    why = {name: reason for name, reason in found.why.items() if name not in names}
    if "draw" not in names and "postprocess" in names:
        why["draw"] = "its answer is no place in a picture"
    return Written(text, "", names, why, tuple(beside(folder, found.trusted)), tuple(packages(folder, found)))


def _running(folder: Folder, found: Plan) -> "list[str]":
    generates = GENERATION in folder.files
    special = {
        "embed": pieces.INFER_EMBED,
        "transcribe": pieces.INFER_TRANSCRIBE,
        "write": _filled(pieces.INFER_WRITE, {
            "NEW": pieces.NEW_TOKENS if generates else "",
            "AND": ", and a few tokens written one after the other" if generates else "",
            "GENERATE": pieces.GENERATE if generates else "",
        }),
    }  # fmt: skip
    if found.use.name in special:
        return [pieces.BUILD, pieces.GIVEN, special[found.use.name]]
    what, outputs = INFERS[found.use.name]
    return [pieces.BUILD, pieces.GIVEN, _filled(pieces.INFER, {"WHAT": what, "OUTPUTS": outputs})]


def _preparing(folder: Folder, found: Plan) -> "list[str]":
    spells = found.tokenizer and found.use.name in ("hear", "transcribe")
    if "preprocess" in found.why:
        return []
    if found.use.takes == PICTURE:
        return [pieces.PICTURE]
    if found.use.takes == SOUND:
        return [pieces.SOUND, *([pieces.TOKENIZER] if spells else [])]
    own = {"tag": [], "fill": []}.get(found.use.name, [pieces.TEXT])
    if found.use.name == "write" and words.has_template(folder):
        own = [pieces.CHAT]
    return [_longest(folder, found), pieces.TOKENIZER, pieces.TEXT_READ, *own]


def _decoding(folder: Folder, found: Plan) -> "list[str]":
    if "postprocess" in found.why:
        return []
    name, names = found.use.name, [pieces.NAMED if labels.labelled(folder) else pieces.UNNAMED]
    generates = GENERATION in folder.files
    write = {
        "AND_TEXT": ", and the text with what was written on" if generates else "",
        "WRITTEN": pieces.WRITTEN if generates else "",
    }
    made = {
        "classify": [*names, pieces.CLASSIFY],
        "detect": [*names, pieces.ANSWER, pieces.DETECT],
        "segment": [*names, pieces.ANSWER, pieces.SEGMENT],
        "depth": [pieces.ANSWER, pieces.DEPTH],
        "tag": [*names, pieces.TAG],
        "fill": [pieces.FILL],
        "write": [_filled(pieces.WRITE, write)],
        "hear": [pieces.HEAR],
        "transcribe": [pieces.TRANSCRIBE],
        "embed": [pieces.EMBED],
    }
    return made[name]


def _values(folder: Folder, found: Plan) -> "dict[str, str]":
    """Give what the pieces leave open, each with the place that says it."""
    how = activation(folder)
    return {
        "CLASS": found.use.auto if found.trusted else found.architecture,
        "CLASS_AT": _at(folder, CONFIG, "architectures"),
        "TRUST": "        trust_remote_code=True,\n" if found.trusted else "",
        "TRUST_TOO": ", trust_remote_code=True" if found.trusted else "",
        "TYPES": ", return_token_type_ids=False" if found.use.name == "write" else "",
        "FAST": str(processor_name(found.processor).endswith("Fast")),
        "LABELS_AT": _at(folder, CONFIG, "id2label"),
        "ACTIVATION": ACTIVATIONS.get(how, ""),
        "ACTIVATION_AT": _at(folder, CONFIG, "problem_type") or _unsaid(how),
    }


def _unsaid(how: str) -> str:
    what = "one class of several" if how else "one number, as it is"
    return f"{CONFIG} has no problem_type: {what}"


def _at(folder: Folder, file: str, key: str) -> str:
    if folder.value(file, key) is None:
        return ""
    line = folder.evidence(file, key).where.rpartition(":")[2]
    return f"{file}:{line} {key}"


def _longest(folder: Folder, found: Plan) -> str:
    """Write down how many tokens the model takes, and who says so."""
    limits = []
    for file, key in ((TOKENIZER, "model_max_length"), (CONFIG, "max_position_embeddings"), (CONFIG, "n_positions")):
        value = folder.value(file, key)
        if words.is_limit(value):
            shift = _shift(folder, found) if file == CONFIG else 0
            limits.append((value - shift, _at(folder, file, key) + (f", less {shift}" if shift else "")))
    if not limits:
        return "\nLONGEST = None  # no config says how many tokens the model takes\n"
    return "\nLONGEST = {}  # tokens; {}\n".format(*min(limits))


def _shift(folder: Folder, found: Plan) -> int:
    pad = folder.value(CONFIG, "pad_token_id")
    return (pad if isinstance(pad, int) else 1) + 1 if found.model_type in SHIFTED else 0


def _imports(folder: Folder, found: Plan, body: str) -> str:
    """Write the imports of what the body uses."""
    standard = [f"import {name}" for name in ("functools", "json") if f"{name}." in body]
    standard += ["from pathlib import Path"] if "PROCESSOR" in body or "Path(" in body else []
    standard += ["from types import SimpleNamespace"] if "SimpleNamespace" in body else []
    pil = [name for name in ("Image", "ImageDraw", "ImageOps") if f"{name}." in body]
    auto = ["AutoFeatureExtractor", "AutoImageProcessor", "AutoTokenizer"]
    used = sorted({n for n in auto if f"{n}." in body} | {found.use.auto if found.trusted else found.architecture})
    other = ["import soundfile"] if "soundfile." in body else []
    other += ["import torch"] + ([f"from PIL import {', '.join(pil)}"] if pil else [])
    other += [f"from transformers import {', '.join(used)}"]
    place = '\nPROCESSOR = Path(__file__).parent / "processor"\n' if "PROCESSOR" in body else ""
    head = "\n" + "\n".join(standard) + "\n\n" if standard else "\n"
    return head + "\n".join(other) + "\n" + place + "\n"


def _filled(text: str, values: "dict[str, str]") -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _plain(name: str) -> str:
    """Write a name so that it cannot end the text that it stands in."""
    return "".join(c if c.isprintable() and c not in '"\\' else "?" for c in name)
