"""What pip's own configuration says of package sources, read without starting pip."""

import configparser
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from assay.errors import WrongInput

Settings = dict[str, tuple[str, ...]]
LISTS = ("extra-index-url", "find-links", "constraint")
KEYS = ("index-url", *LISTS, "no-index")
SECTIONS = ("global", "install")
TRUE = ("1", "true", "yes", "on", "y", "t")
CREDENTIALS = re.compile(r"(?<=://)[^/\s?#]+@")  # up to the last @: a password may hold one


def read(environ: Mapping[str, str], prefix: Path, etc: Path = Path("/etc")) -> Settings:
    """Read index-url, extra-index-url, find-links, constraint and no-index: files first, then PIP_* over them."""
    found: Settings = {}
    for path in _files(environ, prefix, etc):
        found |= _file(path)
    said = {key: environ[name] for key in KEYS if (name := "PIP_" + key.upper().replace("-", "_")) in environ}
    return {key: value for key, value in (found | _settings(said)).items() if value}


def shown(settings: Settings) -> Settings:
    """Take the credentials out, for people and for records."""
    return {key: tuple(bare(value) for value in values) for key, values in settings.items()}


def bare(url: str) -> str:
    """Take the credentials out of a URL; what a query or a fragment holds goes too."""
    without = CREDENTIALS.sub("", url)
    return re.split(r"[?#]", without, maxsplit=1)[0] if "://" in without else without


def secrets(text: str) -> list[str]:
    """Name the credentials in a URL, as they are written there."""
    return [found[:-1] for found in CREDENTIALS.findall(text)]


def _files(environ: Mapping[str, str], prefix: Path, etc: Path) -> Iterator[Path]:
    """Name pip's files, the weakest first; PIP_CONFIG_FILE=/dev/null switches all of them off."""
    told = environ.get("PIP_CONFIG_FILE", "")
    if told == os.devnull:
        return
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or str(etc / "xdg")).split(":")):
        yield Path(folder) / "pip" / "pip.conf"
    yield etc / "pip.conf"
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield prefix / "pip.conf"
    if told:
        yield Path(told).expanduser()


def _file(path: Path) -> Settings:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error):  # the message would quote the line, and with it a secret
        raise WrongInput("pip's configuration cannot be read", where=str(path), mend="correct or remove it") from None
    pairs: dict[str, str] = {}
    for section in SECTIONS:
        if parser.has_section(section):
            pairs |= {key.lower().replace("_", "-"): value or "" for key, value in parser.items(section)}
    return _settings({key: pairs[key] for key in KEYS if key in pairs})


def _settings(pairs: Mapping[str, str]) -> Settings:
    found: Settings = {}
    for key, value in pairs.items():
        if key == "no-index":
            found[key] = ("true",) if value.strip().lower() in TRUE else ()
        else:
            words = tuple(value.split())
            found[key] = words if key in LISTS else words[:1]
    return found
