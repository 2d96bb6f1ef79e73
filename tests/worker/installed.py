"""Distributions made on the spot: a few files and the metadata that says whose they are."""

from pathlib import Path


def distribution(site: Path, name: str, version: str, files: dict[str, str], *, top: str = "") -> None:
    """Write a distribution into a folder as an installer would."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    made = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nabout it\n"}
    if top:
        made[f"{info}/top_level.txt"] = top + "\n"
    record = "".join(f"{path},sha256=x,1\n" for path in [*made, f"{info}/RECORD"])
    for path, text in {**made, f"{info}/RECORD": record}.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
