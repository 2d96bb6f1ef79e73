"""The one place that starts uv: what it is given, where its output goes, what its errors mean."""

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from assay import proc
from assay.envs import options as opts
from assay.envs.faults import fault
from assay.errors import StageFailed

NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "DBUS_SESSION_BUS_ADDRESS")
PLACES = ("HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "PYENV_ROOT", "PYENV_VERSION")
BUILDING = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS", "PKG_CONFIG_PATH")
KEPT = {*proc.ALLOWED, *NETWORK, *PLACES, *BUILDING}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# of the user's own switches those that would take a check away, or send packages elsewhere
DROPPED = {
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_NO_CACHE",
    "UV_NO_VERIFY_HASHES",
    "UV_PYTHON",
    "UV_REQUIRE_HASHES",
    "UV_SYSTEM_PYTHON",
    "UV_VENV_CLEAR",
    "UV_VENV_RELOCATABLE",
    "UV_VENV_SEED",
    "UV_WORKING_DIR",
}
SWITCHES = {
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_PREVIEW_FEATURES": "pylock",
    "NO_COLOR": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
}
OUTPUT = 'out=$1; shift; exec "$@" >"$out"'  # what is to be parsed goes to a file of its own


class Said(NamedTuple):
    """What a run of uv said."""

    messages: str
    output: str


def binary() -> Path:
    """Find uv: beside the running interpreter, where its package says, or on PATH."""
    beside = Path(sys.executable).parent / "uv"
    if os.access(beside, os.X_OK):
        return beside
    with contextlib.suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin

        return Path(find_uv_bin())
    found = shutil.which("uv")
    if not found:
        raise StageFailed("uv is not installed", mend=f"run `{sys.executable} -m pip install uv`")
    return Path(found)


def environment(source: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Keep what downloads and builds need, and uv's own switches; other variables may hold secrets."""
    kept = {name: value for name, value in source.items() if _is_kept(name)}
    if source.get("UV_NO_CACHE", "").lower() not in ("", "0", "false", "no", "off"):
        kept["UV_CACHE_DIR"] = str(scratch / "cache")  # the last step works offline, from what was fetched before
    features = {source.get("UV_PREVIEW_FEATURES", ""), "pylock"} - {""}
    return kept | SWITCHES | {"UV_PREVIEW_FEATURES": ",".join(sorted(features))}


def call(
    words: Sequence[str | Path],
    *,
    scratch: Path,
    log: Path,
    options: Sequence[str] = (),
    source: Mapping[str, str] | None = None,
) -> Said:
    """Run uv to its end; a failure becomes the fault it is, its text goes to the log, passwords go nowhere."""
    given, hidden = opts.hidden(options)
    source = os.environ if source is None else source
    mine, out = scratch / "uv.log", scratch / "uv.out"
    out.unlink(missing_ok=True)
    command: list[str | Path] = ["/bin/sh", "-c", OUTPUT, "sh", out, binary(), *words, *given]
    surroundings = environment(source, scratch) | hidden
    with _collected(mine, log, [*opts.secrets(options), *opts.secrets(surroundings.values())]) as said:
        ended = proc.run(command, cwd=scratch, log=mine, environment=surroundings)
    if ended.code:
        raise fault(ended.code, said[0], str(log))
    return Said(said[0], out.read_text("utf-8", "replace"))


def pythons(wanted: str, *, scratch: Path, log: Path) -> list[tuple[str, Path]]:
    """List the interpreters on this machine that a version ("3.8", "" for all) asks for, the newest first."""
    words = ["python", "list", "--only-installed", "--output-format", "json", *([wanted] if wanted else [])]
    listed = json.loads(call(words, scratch=scratch, log=log).output or "[]")
    found = [(str(one["version"]), Path(one["path"])) for one in listed if one.get("path")]
    found = [one for one in found if one[0].startswith("3.")]
    known = {version for version, _ in found}
    found += [one for one in _pyenv(wanted) if one[0] not in known]
    unique = {version: path for version, path in reversed(found)}
    return sorted(unique.items(), key=lambda one: [int(n) for n in re.findall(r"\d+", one[0])], reverse=True)


def _pyenv(wanted: str) -> Iterator[tuple[str, Path]]:
    """Name pyenv's interpreters: uv sees those that are switched on alone."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for folder in sorted(root.glob("[0-9]*.[0-9]*")):
        fits = not wanted or f"{folder.name}.".startswith(f"{wanted}.")
        if fits and re.fullmatch(r"[\d.]+", folder.name) and os.access(folder / "bin" / "python", os.X_OK):
            yield folder.name, folder / "bin" / "python"


def _is_kept(name: str) -> bool:
    if name.startswith("UV_"):
        return name not in DROPPED
    return name in KEPT or name.startswith(("LC_", "XDG_")) or name.lower() in PROXIES


@contextlib.contextmanager
def _collected(mine: Path, log: Path, secrets: Sequence[str]) -> Iterator[list[str]]:
    """Add a run's text to the log, however it ends."""
    said: list[str] = []
    try:
        yield said
    finally:
        text = mine.read_text("utf-8", "replace") if mine.exists() else ""
        for secret in secrets:
            text = text.replace(secret, "****")
        mine.unlink(missing_ok=True)
        said.append(text)
        with contextlib.suppress(OSError), open(log, "a", encoding="utf-8") as file:
            file.write(text)
