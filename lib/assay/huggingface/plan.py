"""How a folder's model is to be run, or why it is not."""

from typing import Any, NamedTuple

from assay.huggingface import families
from assay.huggingface.families import PICTURE, SOUND, TEXT, Use
from assay.huggingface.folder import CONFIG, IMAGES, PROCESSOR, TOKENIZER, Folder
from assay.huggingface.shapes import rows

TOKENIZERS = (
    "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model",
    "tokenizer.model", "source.spm", "bpe.codes",
)  # fmt: skip
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "source.spm")
# Small files that preprocessing and decoding need; the weights stay where they are.
SMALL = (
    CONFIG, IMAGES, PROCESSOR, TOKENIZER, *TOKENIZERS, "special_tokens_map.json", "added_tokens.json",
    "normalizer.json", "chat_template.jinja", "chat_template.json", "generation_config.json", "target.spm", "bpe.vocab",
)  # fmt: skip
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
FOREIGN = "--"  # in an auto_map: the code lies in another repository


class Settings(NamedTuple):
    """The settings of one processor: the file and keys under which they stand."""

    file: str
    keys: tuple[str, ...]
    values: dict[str, Any]
    doubt: str = ""


class Plan(NamedTuple):
    """How the model is run."""

    architecture: str
    model_type: str
    use: Use
    processor: Settings | None  # of pictures or sound
    tokenizer: bool
    trusted: bool  # code of the folder is run
    why: dict[str, str]  # function -> why it cannot be written


def settings(folder: Folder, kind: str) -> "Settings | None":
    """Find the settings of image_processor or feature_extractor: nested as it is written today, or in its own file."""
    nested, own = folder.value(PROCESSOR, kind), folder.value(IMAGES)
    both = isinstance(nested, dict) and isinstance(own, dict)
    doubt = f"{PROCESSOR} and {IMAGES} differ" if both and nested != own else ""
    if isinstance(nested, dict):
        return Settings(PROCESSOR, (kind,), nested, doubt)
    return Settings(IMAGES, (), own) if isinstance(own, dict) else None


def plan(folder: Folder, *, trusted: bool = False) -> "Plan | str":
    """Settle how the folder's model is run; a sentence says why it cannot be."""
    stated = folder.value(CONFIG, "architectures")
    if not isinstance(stated, list) or len(stated) != 1 or not isinstance(stated[0], str):
        return f"{CONFIG} does not name one architecture"
    architecture, model_type = stated[0], folder.model_type
    own_code = bool(folder.has_code())
    why = _unloadable(folder) or _code(folder, architecture, trusted)
    if why:
        return why
    use = families.use_of(architecture, model_type)
    if use is None or not architecture.isidentifier():
        return f"{architecture}: what such a model is for does not show in its name"
    kind = {PICTURE: "image_processor", SOUND: "feature_extractor"}.get(use.takes, "")
    found = settings(folder, kind) if kind else None
    unfit = "" if own_code else families.unfit(use, model_type, processor_name(found))
    if unfit:
        return f"{architecture}: {unfit}"
    tokenizer = any(name in folder.files for name in TOKENIZERS)
    lacks = _lacks(folder, use, found, tokenizer)
    return Plan(architecture, model_type, use, found, tokenizer, own_code, lacks)


def processor_name(found: "Settings | None") -> str:
    """Name the class of a processor as its settings do; "" when they do not."""
    values = found.values if found else {}
    return str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")


def _unloadable(folder: Folder) -> str:
    """Say why the library would not load these weights as they are."""
    if folder.value(CONFIG, "quantization_config") is not None:
        return "its weights are quantised: which library computes with them is not known here"
    if "adapter_config.json" in folder.files:
        return "it is an adapter to another model, which is not here"
    names = {t.file for t in folder.checkpoint.tensors}
    if any("/" in name for name in names) or any(t.part for t in folder.checkpoint.tensors):
        return "its weights lie in several folders or parts: which of them make the model is not known"
    there = [w for w in WEIGHTS if w in folder.files or f"{w}.index.json" in folder.files]
    if not there:
        return f"no weights of the names that the library looks for: {' or '.join(WEIGHTS)}"
    if all(f in folder.files for f in (there[0], f"{there[0]}.index.json")):
        return f"{there[0]} lies beside an index of parts: which of them make the model is not known"
    return ""


def _code(folder: Folder, architecture: str, trusted: bool) -> str:
    """Say why the folder's own code cannot be run; "" when there is none or it can."""
    asking = folder.has_code()
    if not asking:
        return ""
    if not trusted:
        return f"{asking[0]} asks for code of its own (auto_map), and nobody trusted it"
    if asking != [CONFIG]:
        return f"{asking[-1] if asking[0] == CONFIG else asking[0]} brings code for its own preprocessing"
    wanted = folder.value(CONFIG, "auto_map")
    targets = wanted.values() if isinstance(wanted, dict) else [wanted]
    if any(not isinstance(t, str) or FOREIGN in t for t in targets):
        return "its auto_map leads to code that is not in the folder"
    use = families.use_of(architecture, "")
    named = wanted.get(use.auto, "") if use and isinstance(wanted, dict) else ""
    return "" if named.rpartition(".")[2] == architecture else f"its auto_map does not lead to {architecture}"


def _lacks(folder: Folder, use: Use, found: "Settings | None", tokenizer: bool) -> "dict[str, str]":
    """Name the functions that cannot be written, each with its reason."""
    why = _unprepared(use, found, tokenizer) or _undecoded(folder, use)
    lacks = dict.fromkeys(("preprocess", "postprocess", "draw"), why) if why else {}
    if use.name in ("hear", "transcribe") and not tokenizer:
        lacks |= {"postprocess": "no tokenizer lies in the folder: the answer cannot be spelt"}
    if use.name in ("hear", "transcribe") and folder.value(CONFIG, "adapter_attn_dim") is not None:
        lacks |= {"postprocess": "it speaks several languages by adapters: which one is not known"}
    return lacks


def _unprepared(use: Use, found: "Settings | None", tokenizer: bool) -> str:
    """Say why it is not known how an input is prepared; "" when it is."""
    if not use.takes:
        return "what its inputs are does not show in its name"
    if use.takes == TEXT:
        return "" if tokenizer else "no tokenizer lies in the folder"
    if found is None:
        return f"neither {IMAGES} nor {PROCESSOR} says how an input is prepared"
    if found.doubt or not processor_name(found):
        return found.doubt or "the processor's class is not named"
    both = use.takes == PICTURE and tokenizer
    return "a tokenizer lies in the folder: whether the model also takes text is not known" if both else ""


def _undecoded(folder: Folder, use: Use) -> str:
    """Say why it is not known what the answers mean; "" when it is."""
    if use.name == "detect" and folder.value(CONFIG, "use_focal_loss") is False:
        return "use_focal_loss is false: which of its classes means nothing is not known"
    if folder.has_code() and use.name not in ("classify", "tag", "fill", "write"):
        return "how the answers of the folder's own code are decoded is not known"
    return _pairs(folder) if use.name == "classify" and use.takes == TEXT else ""


def _pairs(folder: Folder) -> str:
    """Say why the model may judge two texts together; "" when it judges one."""
    config = folder.configs.get(CONFIG, {})
    names = config.get("id2label")
    if any(key.startswith(("sbert_ce_", "sentence_transformers")) for key in config):
        return "it judges two texts together: what an input file holds is not known"
    if isinstance(names, dict) and any("entail" in str(name).lower() for name in names.values()):
        return "its labels are of two texts together: what an input file holds is not known"
    counted = rows(folder)
    if counted and counted[0] == 1 and not config.get("problem_type"):
        return "it gives one number and no problem_type: whether of a text or of two together is not known"
    return ""


def beside(folder: Folder, own_code: bool) -> "list[str]":
    """Name the small files of the folder that go next to the adapter, its own code among them when that is run."""
    return [n for n in sorted(folder.files) if n in SMALL or (own_code and n.endswith(".py") and "/" not in n)]


def packages(folder: Folder, found: Plan) -> "list[str]":
    """Name what running it takes, besides what the adapter imports."""
    names = ["torch", "transformers", "safetensors"]
    names += {PICTURE: ["pillow"], SOUND: ["soundfile"]}.get(found.use.takes, [])
    timm = folder.value(CONFIG, "use_timm_backbone") is True
    pieces = "tokenizer.json" not in folder.files and any(n in folder.files for n in SENTENCEPIECE)
    return names + (["timm"] if timm else []) + (["sentencepiece"] if pieces else [])
