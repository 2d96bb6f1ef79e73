"""Write docs/yaml-reference.md and docs/experiment.schema.json: `python -m assay.config.docs ROOT`."""

import pathlib
import sys

from assay import canonical
from assay.config.reference import reference
from assay.config.schema import json_schema


def written() -> dict[str, str]:
    """Map each generated file to its text."""
    return {"docs/yaml-reference.md": reference(), "docs/experiment.schema.json": canonical.dumps(json_schema())}


def write_docs(root: pathlib.Path) -> list[str]:
    """Write the generated files; answer their names."""
    for name, text in written().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return sorted(written())


if __name__ == "__main__":
    write_docs(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
