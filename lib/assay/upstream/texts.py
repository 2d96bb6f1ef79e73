"""The texts of upstream's files in refs/, each read once, when first asked for."""

from collections.abc import Iterator, Mapping
from pathlib import Path

LARGEST = 1 << 20  # of a file that somebody wrote
WRITTEN = (".py", ".md", ".rst", ".txt", ".yaml", ".yml", ".json", ".cfg", ".ini", ".toml", ".names", ".data", ".ipynb")


class Texts(Mapping[str, str]):
    """Texts by "tree/path"; what is no text is not there."""

    def __init__(self, refs: Path, more: "Mapping[str, str] | None" = None) -> None:
        self._refs = refs
        self._read: dict[str, str] = dict(more or {})  # pieces of documents, which are no files of their own

    def __getitem__(self, path: str) -> str:
        if path not in self._read:
            file = self._refs / path
            try:
                if file.stat().st_size > LARGEST:
                    raise KeyError(path)
                self._read[path] = file.read_text("utf-8", "replace")
            except OSError:
                raise KeyError(path) from None
        return self._read[path]

    def __iter__(self) -> "Iterator[str]":
        found = (p for p in sorted(self._refs.rglob("*")) if p.suffix in WRITTEN and p.is_file())
        return (p.relative_to(self._refs).as_posix() for p in found if p.stat().st_size <= LARGEST)

    def __len__(self) -> int:
        return sum(1 for _ in self)
