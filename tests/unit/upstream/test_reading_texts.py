"""The texts of upstream's files: what is no text that somebody wrote is not there, nor listed."""

from pathlib import Path

import pytest

from assay.upstream.texts import LARGEST, Texts


def test_what_is_listed_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    for name, size in {"a.py": 5, "large.ipynb": LARGEST + 1, "whole.md": LARGEST, "picture.png": 5}.items():
        (tmp_path / "net" / name).write_text("x" * size)
    texts = Texts(tmp_path, {"net/README.md#3": "piece"})
    assert list(texts) == ["net/a.py", "net/whole.md"] and len(texts) == 2
    assert [len(text) for text in texts.values()] == [5, LARGEST]
    assert texts["net/README.md#3"] == "piece" and texts.get("net/large.ipynb") is None
    with pytest.raises(KeyError):
        texts["net/gone.py"]
