"""The table of keys -> docs/yaml-reference.md."""

import json

from assay.config.keys import GROUPS, KEYS, RESERVED, Key
from assay.config.targets import METRICS, SCOPES

HEAD = """# Experiment files

Written by `python -m assay.config.docs .` from the table that also checks the files; edit that, not this page.

An experiment is `experiments/<name>.yaml`; its name is made of small letters, digits, `.`, `_` and `-`.
Only `model.checkpoint` and one of `model.name`, `source.repo`, `source.path` are required:

```yaml
model: {checkpoint: checkpoints/yolo.onnx, name: yolo}
```

- Every value means what it looks like: `rev: 0123456` and `version: 1.10` stay as written, `on` is the text "on",
  `12:30` is no number.
- Nothing, `~` and `null` mean "not written". Where a list is taken, one value alone is a list of one.
- Refused: a key twice, an unknown key, anchors, aliases, merge keys, tags, a second document, NaN and infinity,
  credentials in URLs, files over 1 MiB or not in UTF-8. All faults of a file are shown at once,
  each with its line and how to mend it; broken syntax hides what comes after it.
- `recipes/<name>/recipe.yaml` takes the same keys, except those marked "experiment only"; the experiment's file wins
  key by key, maps (`params`, `targets`, `contract`, ...) entry by entry.
- `experiments/<name>.notes.md`, if there, goes into the stakeholder report.

`docs/experiment.schema.json` makes editors complete and check these keys; `doit new` writes the line that names it.
"""


def reference() -> str:
    """Write the reference of experiment files as Markdown."""
    lines = [HEAD]
    group = ""
    for key in KEYS:
        above = key.path.rpartition(".")[0]
        if above and above != group:
            lines += [f"## {above}", "", GROUPS[above], ""]
        group = above
        lines += [f"{'###' if above else '##'} {key.path}", "", key.doc, "", *_facts(key), ""]
    lines += ["## Metrics that targets can limit", "", *_metrics(), "", "## Not yet", "", *_reserved(), ""]
    return "\n".join(lines)


def default_text(key: Key) -> str:
    """Write a key's default as YAML; "" when there is none."""
    if key.default in (None, {}):
        return ""
    if isinstance(key.default, tuple):
        return f"[{', '.join(map(str, key.default))}]"
    return json.dumps(key.default).strip('"')


def _facts(key: Key) -> list[str]:
    facts = [f"- example: `{key.path.split('.')[-1]}: {key.example}`"]
    if default_text(key):
        facts.append(f"- default: `{default_text(key)}`")
    if key.choices:
        facts.append("- one of: " + ", ".join(f"`{choice}`" for choice in key.choices))
    if key.minimum is not None:
        facts.append(f"- from {key.minimum:g} to {key.maximum:g}")
    if not key.recipe:
        facts.append("- experiment only")
    return facts


def _metrics() -> list[str]:
    rows = ["| metric | in brackets |", "|---|---|"]
    rows += [f"| `{metric}` | {', '.join(where) or 'nothing'} |" for metric, where in METRICS.items()]
    return [*rows, "", "`scope` is one of " + ", ".join(f"`{scope}`" for scope in SCOPES) + "; without it: end to end."]


def _reserved() -> list[str]:
    return [f"- `{path}`: {what}" for path, what in RESERVED.items()]
