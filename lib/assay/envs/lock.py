"""deps.lock: which interpreter and packages gave the results, and how to have them again."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from assay import files
from assay.canonical import dumps
from assay.envs import fresh
from assay.errors import WrongInput

SCHEMA = 2
CACHE = "tmp/.envs"  # environments made here, by the digest of what is in them
NAMED = r"(pixi:[a-z0-9-]+|[0-9a-f]{16})?"  # what an environment is called here
PIXI = "pixi:"  # before the name of an environment that pixi keeps
AS_INSTALLED, ADDED, NEW = "as installed", "added", "new"


class Lock(NamedTuple):
    """The envelope: what was asked, what it became, and the lock file with every hash."""

    manager: str
    python: str
    implementation: str
    platform: str
    packages: dict[str, str]  # name -> version: what the model needs, and what that needs
    made: str = AS_INSTALLED
    environment: str = ""  # the folder in tmp/.envs, of one that was made here
    asked: dict[str, str] = {}  # the experiment's env.manager and env.python at that time
    wanted: tuple[str, ...] = ()  # what was installed by name
    options: dict[str, Any] = {}
    files: dict[str, str] = {}  # pylock.toml or pixi.lock -> SHA-256


def text(lock: Lock) -> str:
    """Write a lock down."""
    return str(dumps({"schema": SCHEMA, **lock._asdict()}))


def read(path: Path, *, strict: bool = False) -> "Lock | None":
    """Read a lock; None when there is none, or one of an earlier version, or, unless `strict`, a damaged one."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        if not strict:
            return None
        raise WrongInput("cannot be read", where=str(path), mend="delete it, and doit deps writes it again") from None
    if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA or set(content) != set(Lock._fields):
        return None
    if not re.fullmatch(NAMED, str(content["environment"])):
        return None  # it would lead elsewhere
    return Lock(**{**content, "wanted": tuple(content["wanted"])})


def key(lock_text: str, python: str, platform: str) -> str:
    """Name the environment that these packages make."""
    return files.text_sha256(f"{python}\0{platform}\0{lock_text}")[:16]


def interpreter(root: Path, name: str) -> Path:
    """Give the interpreter of an environment that was made for a model."""
    if name.startswith(PIXI):
        return root / ".pixi" / "envs" / name.removeprefix(PIXI) / "bin" / "python"
    return root / CACHE / name / "bin" / "python"


def is_there(root: Path, name: str) -> bool:
    """Tell whether such an environment is there, and complete."""
    if not name:
        return False
    python = interpreter(root, name)
    return python.exists() and (name.startswith(PIXI) or bool(fresh.complete(python.parent.parent)))
