"""A model folder as its small texts: values by key, and the lines that say them."""

import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any

from assay import files
from assay.canonical import escape
from assay.errors import WrongInput
from assay.formats import jsons
from assay.formats.opening import opened, whole
from assay.huggingface.pointers import Span, spans
from assay.records import Checkpoint, Claim, Evidence

CONFIG, IMAGES, PROCESSOR, TOKENIZER = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json",
)  # fmt: skip
GENERATION, SPECIAL = "generation_config.json", "special_tokens_map.json"
READ = (CONFIG, IMAGES, PROCESSOR, TOKENIZER, GENERATION, SPECIAL)
LIMIT, SHOWN, DIGITS = 16 << 20, 200, 18


class Folder:
    """What a folder's configs say. `texts` by file name, of those that could be read; `files` is every file's name."""

    def __init__(self, checkpoint: Checkpoint, texts: "dict[str, str]") -> None:
        self.checkpoint, self.name = checkpoint, checkpoint.name
        self.files = frozenset(f.path for f in checkpoint.files)
        self._texts = texts

    @cached_property
    def configs(self) -> "dict[str, dict[str, Any]]":
        """Give what each text says; what is no table of JSON is left out."""
        found = {}
        for name, text in self._texts.items():
            try:
                content = jsons.parsed(text, parse_float=_finite, parse_int=_sized, parse_constant=_nothing)
                if isinstance(content, dict):
                    found[name] = _spelt(content)
            except (ValueError, RecursionError):
                continue
        return found

    def value(self, file: str, *keys: str) -> Any:
        """Give a value by the keys that lead to it; None when it is not there."""
        found: Any = self.configs.get(file)
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    @property
    def model_type(self) -> str:
        """Give the name of the model's kind; "" when there is none."""
        named = self.value(CONFIG, "model_type")
        return named if isinstance(named, str) else ""

    @cached_property
    def _spans(self) -> "dict[str, dict[str, Span]]":
        return {name: spans(self._texts[name]) for name in self.configs}

    def place(self, file: str) -> str:
        """Name a file of the folder; the colon keeps it apart from one of upstream's tree, which may share its name."""
        return f"{self.name}: {file}"

    def evidence(self, file: str, *keys: str) -> Evidence:
        """Cite the lines that say a value; its JSON pointer stands where code has its function."""
        pointer = "".join(f"/{escape(key)}" for key in keys)
        span = self._spans[file][pointer]
        lines = self._texts[file].split("\n")[span.first - 1 : span.last]
        text = " ".join(line.strip() for line in lines)
        if len(text) > SHOWN:
            text = f"{json.dumps(keys[-1])}: {json.dumps(self.value(file, *keys), ensure_ascii=False)}"[:SHOWN]
        where = f"{self.place(file)}:{span.first}"
        return Evidence(kind="source", where=where, text=text, sha256=files.text_sha256(text), qualname=pointer)

    def has_code(self) -> "list[str]":
        """Name the configs that ask for code of the folder's own."""
        return sorted(name for name, config in self.configs.items() if config.get("auto_map"))


def read(place: Path, checkpoint: Checkpoint) -> Folder:
    """Read the small texts of a folder, within limits; what cannot be read is left out."""
    texts = {}
    for name in READ:
        if any(f.path == name for f in checkpoint.files):
            text = _text(place / name)
            if text is not None:
                texts[name] = text
    return Folder(checkpoint, texts)


def _text(place: Path) -> "str | None":
    try:
        with opened(place) as file:
            raw = file.read(LIMIT + 1)
        return raw.decode("utf-8") if len(raw) <= LIMIT else None
    except (WrongInput, UnicodeDecodeError):
        return None


# ---------------------------------------------------------------- what a record can carry
def _finite(text: str) -> "float | None":
    number = float(text)
    return number if math.isfinite(number) else None


def _sized(text: str) -> "int | float | None":
    """Take a number of so many digits that no record holds it for a rough one."""
    return int(text) if len(text) < DIGITS else _finite(text)


def _nothing(text: str) -> None:
    """Take NaN and the infinities, which are no JSON, for nothing said."""


def _spelt(value: Any) -> Any:
    """Spell out half characters, which no UTF-8 can carry."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [_spelt(one) for one in value]
    return {whole(k): _spelt(v) for k, v in value.items()} if isinstance(value, dict) else value


# ---------------------------------------------------------------- claims
def claim(name: str, value: Any, *evidence: Evidence, **more: Any) -> Claim:
    """State what the folder says."""
    return Claim(id=name, value=value, status="read", by="folder", evidence=list(evidence), **more)


def unknown(name: str, why: str, *evidence: Evidence, alternatives: "list[Any] | None" = None) -> Claim:
    """State that the folder does not settle something, and why."""
    return Claim(id=name, value=None, status="unknown", by="folder", evidence=list(evidence), reason=why,
                 alternatives=alternatives or [])  # fmt: skip


def conflict(name: str, value: Any, why: str, *evidence: Evidence, alternatives: "list[Any] | None" = None) -> Claim:
    """State that two parts of the folder disagree."""
    return Claim(id=name, value=value, status="conflict", by="folder", evidence=list(evidence), conflicts=[why],
                 alternatives=alternatives or [])  # fmt: skip
