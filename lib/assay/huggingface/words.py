"""How text becomes tokens, as tokenizer_config.json says."""

from typing import Any, TypeGuard

from assay.huggingface.folder import SPECIAL, TOKENIZER, Folder, claim
from assay.records import Claim, Evidence

UNLIMITED = 1_000_000  # the library writes a number of 31 digits for "no limit"
SIGNS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
PLAIN = {"tokenizer_class": "class", "padding_side": "padding_side", "do_lower_case": "lowercase"}
TEMPLATES = ("chat_template.jinja", "chat_template.json")


def claims(folder: Folder) -> "list[Claim]":
    """State the tokenizer's class, limits and signs."""
    made = []
    for key, name in PLAIN.items():
        value = folder.value(TOKENIZER, key)
        if isinstance(value, (str, bool)):
            made.append(claim(f"pre.tokenizer.{name}", value, folder.evidence(TOKENIZER, key)))
    longest = folder.value(TOKENIZER, "model_max_length")
    if is_limit(longest):
        made.append(claim("pre.tokenizer.max_length", longest, folder.evidence(TOKENIZER, "model_max_length")))
    signs = {sign: _sign(folder, sign) for sign in SIGNS}
    known = {sign: value for sign, (value, _) in signs.items() if value}
    if known:
        cited = [evidence for value, evidence in signs.values() if value and evidence]
        made.append(claim("pre.tokenizer.special_tokens", known, *cited))
    return made + _template(folder)


def is_limit(value: Any) -> "TypeGuard[int]":
    """Tell whether a number of tokens limits anything."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < UNLIMITED


def _sign(folder: Folder, sign: str) -> "tuple[str, Evidence | None]":
    """Find a special token: a text, or a table that holds one."""
    for file in (TOKENIZER, SPECIAL):
        value = folder.value(file, sign)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            return text, folder.evidence(file, sign)
    return "", None


def _template(folder: Folder) -> "list[Claim]":
    if folder.value(TOKENIZER, "chat_template"):
        return [claim("pre.tokenizer.chat_template", True, folder.evidence(TOKENIZER, "chat_template"))]
    lying = [name for name in TEMPLATES if name in folder.files]
    return [
        claim("pre.tokenizer.chat_template", True, Evidence(kind="source", where=folder.place(name)))
        for name in lying[:1]
    ]


def has_template(folder: Folder) -> bool:
    """Tell whether the model was made for conversations."""
    return bool(_template(folder))
