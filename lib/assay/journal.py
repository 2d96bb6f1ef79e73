"""The append-only log of a workspace: one line per finished stage, the last line of a stage wins."""

import fcntl
import json
import os
import threading
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from assay import files
from assay.errors import StageFailed, WrongInput

LONG = 400  # lines, from here on the next locked run compacts


class Entry(NamedTuple):
    """What a stage was asked, what it read, what it left."""

    stage: str
    request: dict[str, Any]
    read: dict[str, str]  # discovered files, workspace-relative -> sha256
    records: dict[str, str]  # record files that the request was projected from -> sha256
    outputs: dict[str, str]  # workspace-relative -> sha256 ("code:..." for the adapter)
    seconds: float
    time: str
    tool: str
    host: str
    cpu: dict[str, float] | None = None  # seconds of each worker that was asked, by verb and what tells it apart


class Line(NamedTuple):
    """An event that is not a finished stage: failed or forgotten."""

    event: str
    stage: str
    time: str
    text: str


class Journal:
    """The journal as last read; reread when the file has grown."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self.before: dict[str, Entry] = {}  # forgotten entries: their outputs are still known as ours
        self.failures: dict[str, Line] = {}
        self.history: list[tuple[str, str, str]] = []  # time, stage, word
        self.broken = 0
        self.lines = 0
        self._writing = threading.Lock()
        self._whole = 0  # bytes up to the last whole line
        self._key: files.StatKey | None = None
        self.reread()

    def reread(self) -> None:
        """Read the file again if it changed."""
        key = files.stat_key(str(self.path))
        if key is None or key != self._key:
            self._key = key
            try:
                self._load(self.path.read_bytes() if key else b"")
            except OSError as error:
                raise WrongInput(
                    f"cannot be read: {error.strerror}", where=str(self.path), mend="move it away and run again"
                ) from error

    def _load(self, data: bytes) -> None:
        self.entries, self.before, self.failures, self.history = {}, {}, {}, []
        self.broken = self.lines = 0
        self._whole = data.rfind(b"\n") + 1
        for raw in data[: self._whole].split(b"\n")[:-1]:
            self.lines += 1
            if not self._take(raw):
                self.broken += 1

    def _take(self, raw: bytes) -> bool:
        try:
            line = json.loads(raw)
            stage = line["stage"]
            if not isinstance(stage, str):
                return False
            if "event" in line:
                self._take_event(Line(line["event"], stage, line["time"], line.get("text", "")))
            else:
                entry = Entry(**{name: line[name] for name in Entry._fields if name != "cpu"}, cpu=line.get("cpu"))
                if not _well_formed(entry):
                    return False
                self.entries[stage] = entry
                self.failures.pop(stage, None)
                self.history.append((entry.time, stage, "built"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        return True

    def _take_event(self, line: Line) -> None:
        self.history.append((line.time, line.stage, line.event))
        if line.event == "failed":
            self.failures[line.stage] = line
        elif line.event == "forgotten" and line.stage in self.entries:
            self.before[line.stage] = self.entries.pop(line.stage)

    def last(self, stage: str) -> Entry | None:
        """Give what is known of a stage's outputs, forgotten or not."""
        return self.entries.get(stage) or self.before.get(stage)

    def finished(self, entry: Entry) -> None:
        """Append a finished stage; durable before this returns."""
        self._append(entry._asdict(), durable=True)

    def event(self, line: Line) -> None:
        """Append a failure or a forgetting."""
        self._append(line._asdict(), durable=line.event == "forgotten")

    def _append(self, line: dict[str, Any], *, durable: bool) -> None:
        data = json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )
        try:
            with self._writing, open(self.path, "ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # stages of one run may finish side by side, in threads or processes
                self.reread()
                if os.fstat(file.fileno()).st_size > self._whole:  # a torn tail of a killed run
                    file.truncate(self._whole)
                _write_all(file, data + b"\n")
                if durable:
                    os.fsync(file.fileno())
                self.reread()
        except OSError as error:
            raise files.cannot_write(self.path, error) from error

    def compact(self) -> None:
        """Keep the last line of each stage; call with the workspace locked."""
        if self.lines < LONG:
            return
        kept = [e._asdict() for e in (*self.before.values(), *self.entries.values())]
        kept += [Line("forgotten", stage, "", "")._asdict() for stage in self.before if stage not in self.entries]
        kept += [f._asdict() for f in self.failures.values()]
        text = "".join(
            json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n" for line in kept
        )
        files.write(self.path, text)
        self.reread()


def _well_formed(entry: Entry) -> bool:
    """Tell whether a line has the shape of one of ours; its outputs lie in the workspace and nowhere else."""
    if not isinstance(entry.request, dict) or not isinstance(entry.time, str):
        return False
    for digests in (entry.read, entry.records, entry.outputs):
        if not isinstance(digests, dict) or not all(isinstance(d, str) for d in digests.values()):
            return False
    return all(p and not p.startswith("/") and ".." not in p.split("/") for p in (*entry.outputs, *entry.read))


def _write_all(file: FileIO, data: bytes) -> None:
    written = 0
    while written < len(data):
        n = file.write(data[written:])
        if not n:
            raise StageFailed("the disk is full", mend="free some space and run again")
        written += n
