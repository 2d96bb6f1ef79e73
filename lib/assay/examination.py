"""One look at a checkpoint: what it is and holds; its numbers are looked through while its digest is taken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from assay.digests import Digests
from assay.errors import WrongInput
from assay.files import StatKey, stat_key
from assay.formats import Given, folder_digest, look, members, misnamed, recognise
from assay.formats.content import Content, full_name, totals
from assay.formats.documents import beside
from assay.formats.family import guess
from assay.formats.opening import opened, shown, whole
from assay.formats.scan import BLOCK, Scan, damage, values
from assay.records import Checkpoint, CheckpointFile, Document, Values

MOST_CODE = 500  # globals written down
MOST_SHARED = 500  # groups of tensors
RENAME = "rename it, or name it by a link that says what it is"


class Examination:
    """A checkpoint as it was looked at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        before = stat_key(str(path))
        with Given(path) as given:
            self.form = recognise(given)
            self.misnamed = misnamed(given, self.form)
            self.content = self._look(given)
            self.documents = beside(path, given.names)
            self.folder = given.is_folder
        self.files = members(path, self.content.external)
        self._scans: dict[str, Scan] = {}
        for name, _ in self.files:
            own = "" if name == path.name and not self.folder else name
            self._scans[name] = Scan(s for s in self.content.stretches if s.file == own)
        self._state = self._states()
        if not self.folder and stat_key(str(path)) != before:
            raise WrongInput("changed while it was being read", where=shown(path), mend="run again when it is whole")

    def _look(self, given: Given) -> Content:
        """Look into it; where that fails and the name is wrong, the name is what to mend first."""
        try:
            return look(given, self.form)
        except WrongInput:
            if self.misnamed:
                raise WrongInput(self.misnamed, where=shown(self.path), mend=RENAME) from None
            raise

    def refuse(self) -> None:
        """Refuse what is not what its name says, or no whole file."""
        if self.misnamed:
            raise WrongInput(self.misnamed, where=shown(self.path), mend=RENAME)
        if self.content.damaged:
            raise WrongInput(self.content.damaged[0], where=shown(self.path), mend="fetch it again")

    def current(self) -> bool:
        """Tell whether its files are still those that were looked at."""
        return self._states() == self._state

    def _states(self) -> "list[StatKey | None]":
        return [stat_key(str(place)) for _, place in self.files]

    def looking(self, name: str) -> "Callable[[memoryview | bytes], None] | None":
        """Give what looks at a file's bytes while they go by; None when that has been done."""
        scan = self._scans[name]
        return scan.take if not scan.begun else None

    def record(self, digests: Digests, claimed: "dict[str, str]") -> Checkpoint:
        """Write down what was found; numbers that did not go by yet are looked at now."""
        for name, place in self.files:
            digests.of(str(place), self.looking(name))
            if not self._scans[name].whole(place.stat().st_size):
                self._scans[name] = _read_through(self._scans[name], place)
        torn = damage(self._scans.values())
        if torn:
            what = f"damaged: the numbers of {shown(torn[0])} are not what the file's checksum says"
            raise WrongInput(what, where=shown(self.path), mend="fetch it again")
        sizes = {full_name(t): t.parameters for t in self.content.tensors}
        found = values(self._scans.values(), sizes, self.content.unchecked, self.content.scattered)
        return self._record(digests, claimed, found if sizes else None)

    def quick(self) -> Checkpoint:
        """Write down what is known without reading every byte: no digest, no look at the numbers."""
        return self._record(None, {}, None)

    def _record(self, digests: "Digests | None", claimed: "dict[str, str]", seen: "Values | None") -> Checkpoint:
        content = self.content
        parts = [
            CheckpointFile(path=name, bytes=place.stat().st_size, sha256=_digest(digests, place))
            for name, place in self.files
        ]
        kinds, sets = totals(content.tensors, content.shared)
        more = len(content.code) - MOST_CODE
        found = Checkpoint(
            name=self.path.name,
            kind="folder" if self.folder else "file",
            bytes=sum(p.bytes for p in parts),
            sha256=_whole(parts, self.folder),
            files=parts,
            format=self.form,
            claimed=claimed,
            graph=content.graph,
            tensors=content.tensors,
            parameters=sum(kind.parameters for kind in kinds.values()),
            totals=kinds,
            parts=sets,
            shared=content.shared[:MOST_SHARED],
            quantised=content.quantised,
            wrapper=content.wrapper,
            leftovers=content.leftovers,
            values=seen,
            code=content.code[:MOST_CODE],
            trust=content.trust,
            to_trust=_whole(parts, self.folder) if content.trust else "",
            cannot=content.cannot,
            metadata=content.metadata,
            labels=content.labels,
            documents=[*content.embedded, *(_document(digests, name, place) for name, place in self.documents)],
            looks_like=guess(t.name for t in content.tensors) if content.tensors and not content.kind else None,
            risks=[*content.risks, *([f"{more} more names of code are not listed"] if more > 0 else [])],
        )
        return _writable(found)


def _writable(found: Checkpoint) -> Checkpoint:
    """Spell out half characters, which JSON and pickles can hold and no file in UTF-8 can."""
    try:
        msgspec.json.encode(found)
        return found
    except UnicodeEncodeError:
        return msgspec.convert(_whole_texts(msgspec.to_builtins(found)), Checkpoint)


def _whole_texts(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole(key): _whole_texts(inner) for key, inner in value.items()}
    return [_whole_texts(inner) for inner in value] if isinstance(value, list) else value


def _digest(digests: "Digests | None", place: Path) -> str:
    return digests.of(str(place)) or "" if digests else ""


def _whole(parts: "list[CheckpointFile]", folder: bool) -> str:
    if len(parts) == 1 and not folder:
        return parts[0].sha256
    return folder_digest((p.path, p.sha256) for p in parts) if parts[0].sha256 else ""


def _document(digests: "Digests | None", name: str, place: Path) -> Document:
    return Document(path=name, bytes=place.stat().st_size, sha256=_digest(digests, place))


def _read_through(begun: Scan, place: Path) -> Scan:
    scan = begun.again()
    with opened(place) as file:
        while block := file.read(BLOCK):
            scan.take(block)
    return scan
