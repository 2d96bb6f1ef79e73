"""Tiny wheels and sdists made on the spot, and a small index on 127.0.0.1 that can be told to misbehave."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

EPOCH = (2020, 1, 1, 0, 0, 0)
UPLOADED = "2024-01-01T00:00:00Z"
CHUNK = 4096


def metadata(name: str, version: str, requires: Sequence[str] = (), python: str = "") -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {r}" for r in requires] + ([f"Requires-Python: {python}"] if python else [])
    return "\n".join(lines) + "\n"


def wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    python: str = "",
    tag: str = "py3-none-any",
    code: str = "",
    files: Mapping[str, str | bytes] = {},
    padding: int = 0,
) -> Path:
    """Write <name>-<version>-<tag>.whl; the same arguments give the same bytes."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    inside: dict[str, bytes] = {f"{module}/__init__.py": (code or f"VERSION = {version!r}\n").encode()}
    inside |= {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    if padding:  # bytes that no compressor makes smaller
        inside[f"{module}/data.bin"] = b"".join(
            hashlib.sha256(f"{name}{version}{n}".encode()).digest() for n in range(padding // 32)
        )
    inside[f"{info}/METADATA"] = metadata(name, version, requires, python).encode()
    inside[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: here\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    rows = [f"{path},sha256={_hash(data)},{len(data)}" for path, data in inside.items()]
    inside[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in inside.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), data)
    return target


def sdist(folder: Path, name: str, version: str, marker: Path) -> Path:
    """Write an sdist whose build backend, when it is run, leaves a mark and makes a wheel."""
    module, root = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}"
    backend = (
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport pathlib, wheels\n"
        f"def build_wheel(folder, *a, **k):\n    pathlib.Path({str(marker)!r}).write_text('ran')\n"
        f"    return wheels.wheel(pathlib.Path(folder), {name!r}, {version!r}).name\n"
    )
    files = {
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        f"[project]\nname = {name!r}\nversion = {version!r}\ndynamic = ['dependencies']\n",
        "backend.py": backend,
        "PKG-INFO": metadata(name, version),
    }
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{module}-{version}.tar.gz"
    with tarfile.open(target, "w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{root}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return target


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class Index:
    """A package index over a folder: PEP 691, with upload times, sizes and hashes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.uploaded: dict[str, str] = {}  # by file name; "" leaves the time out
        self.hashes: dict[str, str] = {}  # said in place of the right ones
        self.sizes = True
        self.die_after: dict[str, int] = {}  # file name: the connection is cut after so many bytes
        self.slow: dict[str, float] = {}  # file name: seconds per block
        self.broken = False  # answers 500
        self.asked: list[str] = []
        self.user = ""  # "name:secret" where a password is wanted
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/simple"

    def downloads(self) -> list[str]:
        """Name the files that were asked for whole."""
        return [path.rpartition("/")[2] for path in self.asked if path.startswith("/files/") and "metadata" not in path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def page(self, project: str) -> dict[str, Any] | None:
        files = []
        for path in sorted(self.folder.iterdir()):
            if path.name.split("-")[0].lower().replace("_", "-").replace(".", "-") != project:
                continue
            digest = self.hashes.get(path.name) or hashlib.sha256(path.read_bytes()).hexdigest()
            entry: dict[str, Any] = {
                "filename": path.name,
                "url": f"../../files/{path.name}",
                "hashes": {"sha256": digest},
            }
            if self.uploaded.get(path.name, UPLOADED):
                entry["upload-time"] = self.uploaded.get(path.name, UPLOADED)
            if self.sizes:
                entry["size"] = path.stat().st_size
            if path.suffix == ".whl":
                entry["core-metadata"] = True
                if python := _requires_python(path):
                    entry["requires-python"] = python
            files.append(entry)
        return {"meta": {"api-version": "1.1"}, "name": project, "files": files} if files else None


def _handler(index: Index) -> type[http.server.BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"index": index})


class _Handler(http.server.BaseHTTPRequestHandler):
    index: Index

    def do_GET(self) -> None:
        self.index.asked.append(self.path)
        wanted = "Basic " + base64.b64encode(self.index.user.encode()).decode()
        if self.index.user and self.headers.get("Authorization") != wanted:
            return self.send_error(401)
        if self.index.broken:
            return self.send_error(500)
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "simple":
            return self._page(rest.strip("/"))
        return self._file(self.index.folder / os.path.basename(unquote(rest)))

    def _page(self, project: str) -> None:
        page = self.index.page(project)
        if page is None:
            return self.send_error(404)
        return self._send(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def _file(self, path: Path) -> None:
        if path.suffix == ".metadata":
            return self._send(_member(path.with_suffix(""), "METADATA"), "text/plain")
        if not path.is_file():
            return self.send_error(404)
        return self._send(path.read_bytes(), "application/octet-stream", path.name)

    def _send(self, body: bytes, kind: str, name: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        end = self.index.die_after.get(name, len(body))
        for start in range(0, end, CHUNK):
            self.wfile.write(body[start : min(start + CHUNK, end)])
            time.sleep(self.index.slow.get(name, 0))
        if end < len(body):
            self.close_connection = True
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None: ...

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the reader went away
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()


def _member(wheel_file: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel_file) as archive:
        return archive.read(next(n for n in archive.namelist() if n.endswith(f".dist-info/{name}")))


def _requires_python(path: Path) -> str:
    for line in _member(path, "METADATA").decode().splitlines():
        if line.startswith("Requires-Python: "):
            return line.removeprefix("Requires-Python: ")
    return ""
