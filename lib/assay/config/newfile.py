"""The text of a new experiment file: every key explained, known answers filled in."""

import re
import textwrap

from assay.config.keys import BY_PATH, GROUPS, KEYS, Key
from assay.config.reference import default_text
from assay.config.yamlfile import NULLS
from assay.errors import WrongInput, did_you_mean

SCHEMA_LINE = "# yaml-language-server: $schema=../docs/experiment.schema.json"
PLAIN = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~+=-]*(?: [A-Za-z0-9_./~+=-]+)*\Z")
WIDTH = 100
HEAD = """{schema}
# Experiment {name}. A line that begins with # is not read: delete the # before a key to use it.
# Needed: model.checkpoint, and one of model.name, source.repo, source.path. All keys: docs/yaml-reference.md
"""


def template(name: str, answers: dict[str, str]) -> str:
    """Write a new experiment file; answers are texts by key path, as "params.score" for an entry of a map."""
    given = _by_key(answers)
    lines = HEAD.format(schema=SCHEMA_LINE, name=name).splitlines()
    group = ""
    for key in KEYS:
        above, _, field = key.path.rpartition(".")
        indent = "  " * (above.count(".") + 1) if above else ""
        if not above:
            lines.append("")
        elif above != group:  # a group without keys is as if it were not written
            lines += ["", *_comment(GROUPS[above], indent[2:]), f"{indent[2:]}{above.rpartition('.')[2]}:"]
        group = above
        lines += _key(key, field, given.get(key.path, {}), indent)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Write a text as a YAML value that reads back as the same text."""
    if PLAIN.match(text) and text not in NULLS:
        return text
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escape(c) for c in text) + '"'


def _escape(char: str) -> str:
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF or code == 0:
        raise WrongInput("a name that is not UTF-8 text cannot be written into a YAML file", mend="rename the file")
    if char in '"\\':
        return "\\" + char
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _by_key(answers: dict[str, str]) -> dict[str, dict[str, str]]:
    """Sort answers by key; the entries of a map stand under its path."""
    given: dict[str, dict[str, str]] = {}
    maps = [key.path for key in KEYS if key.shape == "map"]
    for path, text in answers.items():
        above = next((m for m in maps if path.startswith(m + ".")), None)
        if above is not None:
            given.setdefault(above, {})[path.removeprefix(above + ".")] = text
        elif path in BY_PATH and path not in maps:
            given[path] = {"": text}
        else:
            raise WrongInput(f"{path}: unknown key", mend=did_you_mean(path, list(BY_PATH)))
    return given


def _key(key: Key, field: str, given: dict[str, str], indent: str) -> list[str]:
    """Write one key: its comment, then its line, commented out where nothing is known."""
    lines = _comment(key.doc + (f" Default: {default_text(key)}." if default_text(key) else ""), indent)
    if key.choices:
        lines += _comment(f"One of: {', '.join(key.choices)}.", indent)
    if given:
        return [*lines, f"{indent}{field}: {_value(key, given)}"]
    if key.path == "model.checkpoint":
        return [*lines, f"{indent}{field}:  # needed, as {key.example}"]
    return [*lines, f"{indent}# {field}: {key.example}"]


def _value(key: Key, given: dict[str, str]) -> str:
    if key.shape == "map":
        return "{" + ", ".join(f"{quoted(k)}: {_entry(key, v)}" for k, v in given.items()) + "}"
    if key.shape == "list":
        return "[" + ", ".join(quoted(item.strip()) for item in given[""].split(",")) + "]"
    return quoted(given[""])


def _entry(key: Key, text: str) -> str:
    """Write a map's entry; a claim's is YAML already."""
    return text if key.kind == "claim" else quoted(text)


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, WIDTH - len(indent), break_on_hyphens=False)]
