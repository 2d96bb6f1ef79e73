"""The road that users take: git over https, from a server made on the spot."""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from upstream_repos import commit, run

from assay.errors import StageFailed, WrongInput
from assay.upstream import git


def backend() -> str:
    where = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    return os.path.join(where, "git-http-backend")


pytestmark = pytest.mark.skipif(
    not shutil.which("openssl") or not os.path.exists(backend()), reason="openssl or git-http-backend is not here"
)


class Handler(BaseHTTPRequestHandler):
    """Hand each request to git's own server program."""

    root = Path()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/private"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        length = int(self.headers.get("Content-Length", 0))
        names = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run([backend()], env=names, input=self.rfile.read(length), capture_output=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"root": tmp_path / "served"}))
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    saved = {name: os.environ.get(name) for name in ("GIT_SSL_CAINFO", "NO_PROXY", "no_proxy")}
    os.environ.update(GIT_SSL_CAINFO=str(certificate), NO_PROXY="localhost", no_proxy="localhost")
    yield f"https://localhost:{listening.server_port}"
    for name, value in saved.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value
    listening.shutdown()
    listening.server_close()


def test_fetching_over_https(server: str, tmp_path: Path) -> None:
    repo = tmp_path / "served" / "up"
    repo.mkdir(parents=True)
    run(repo, "init", "-q", "-b", "main")
    (repo / "a.py").write_text("a = 1\n")
    first = commit(repo)
    run(repo, "tag", "v1")
    (repo / "a.py").write_text("a = 2\n")
    second = commit(repo)
    url = f"{server}/up/.git"
    assert git.tip(url, "") == second
    for number, (rev, expected) in enumerate({"": second, "v1": first, first: first}.items()):
        found = git.fetch(url, rev, tmp_path / "out" / str(number))
        assert (found.commit, found.files) == (expected, ["a.py"])
    with pytest.raises(WrongInput, match="no such repository"):
        git.fetch(f"{server}/none/.git", "", tmp_path / "out" / "none")
    with pytest.raises(WrongInput, match="asks for credentials"):
        git.fetch(f"{server}/private/.git", "", tmp_path / "out" / "none")
    with pytest.raises(WrongInput, match="no such commit"):
        git.fetch(url, "1" * 40, tmp_path / "out" / "none")


def test_a_certificate_that_nobody_vouches_for(server: str) -> None:
    os.environ["GIT_SSL_CAINFO"] = "/dev/null"
    with pytest.raises(StageFailed, match="certificate"):
        git.tip(f"{server}/up/.git", "")
