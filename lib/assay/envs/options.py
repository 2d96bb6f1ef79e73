"""Where packages come from, as uv's options."""

import datetime
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from assay.domain import IndexSpec
from assay.envs import pipconfig
from assay.envs.interpreter import normal
from assay.errors import WrongInput

SOURCES = ("--default-index", "--index", "--find-links", "--index-strategy", "--keyring-provider")
FLAGS = ("--no-index",)  # options without a value
BY_VARIABLE = {"--default-index": "UV_DEFAULT_INDEX", "--index": "UV_INDEX", "--find-links": "UV_FIND_LINKS"}
STRATEGIES = ("first-index", "unsafe-first-match", "unsafe-best-match")


def arguments(
    spec: IndexSpec,
    root: Path,
    pip: Mapping[str, tuple[str, ...]],
    scratch: Path,
    now: datetime.datetime | None = None,
) -> list[str]:
    """Turn env.index, and pip's settings where they are passed on, into options of uv."""
    if spec.strategy not in STRATEGIES:
        raise WrongInput(
            f"no strategy {spec.strategy!r}", where="env.index.strategy", mend="known: " + ", ".join(STRATEGIES)
        )
    url = spec.url or next(iter(pip.get("index-url", ())), "")
    extra = dict.fromkeys([*spec.extra, *pip.get("extra-index-url", ())])
    words = ["--default-index", _place(url, root)] if url else []
    words += [word for one in extra for word in ("--index", _place(one, root))]
    words += ["--no-index"] if pip.get("no-index") and not spec.url else []
    words += [word for one in _links(spec, root, pip) for word in ("--find-links", one)]
    words += [word for one in _constraints(spec, root, pip) for word in ("--constraints", one)]
    words += ["--index-strategy", spec.strategy] if len(extra) or spec.strategy != STRATEGIES[0] else []
    words += ["--torch-backend", spec.torch_backend] if spec.torch_backend else []
    words += _excluded(spec.excludes, scratch)
    words += ["--only-binary", ":all:", *(word for name in spec.build for word in ("--no-binary", normal(name)))]
    return words + _cooldown(spec.cooldown_days, now or datetime.datetime.now(datetime.timezone.utc))


def pairs(options: Sequence[str]) -> list[tuple[str, ...]]:
    """Group options with their values."""
    found, rest = [], list(options)
    while rest:
        size = 1 if rest[0] in FLAGS else 2
        found.append(tuple(rest[:size]))
        rest = rest[size:]
    return found


def without(options: Sequence[str], names: Collection[str]) -> list[str]:
    """Leave some options out."""
    return [word for pair in pairs(options) if pair[0] not in names for word in pair]


def sources(options: Sequence[str]) -> list[str]:
    """Keep the options that installing from a lock needs: where files are, not which."""
    return [word for pair in pairs(options) if pair[0] in (*SOURCES, *FLAGS) for word in pair]


def values(options: Sequence[str], name: str) -> list[str]:
    """Give an option's values."""
    return [pair[1] for pair in pairs(options) if pair[0] == name]


def hidden(options: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Move options that hold a password into the environment: a command line can be read by everyone."""
    variables = {
        variable: ("," if name == "--find-links" else " ").join(urls)
        for name, variable in BY_VARIABLE.items()
        if secrets(urls := values(options, name))
    }
    return without(options, [name for name in BY_VARIABLE if BY_VARIABLE[name] in variables]), variables


def secrets(texts: Iterable[str]) -> list[str]:
    """Name the passwords in URLs, the longest first."""
    return sorted({secret for text in texts for secret in pipconfig.secrets(text)}, key=len, reverse=True)


def find(options: Sequence[str], links: str, file: str, project: str) -> list[Path]:
    """Find a file in the package folders of these options, and of UV_FIND_LINKS."""
    flat = [_local(one) for one in [*values(options, "--find-links"), *filter(None, links.split(","))]]
    found = [folder / file for folder in flat if folder]
    for index in [*values(options, "--index"), *values(options, "--default-index")]:
        if folder := _local(index):
            found += _on_page(folder / normal(project), file)
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _on_page(folder: Path, file: str) -> list[Path]:
    """Look a file up on a project's page of an index that is a folder."""
    try:
        page = (folder / "index.html").read_text("utf-8", "replace")
    except OSError:
        return [folder / file]
    links = re.findall(r"""href=["']([^"'#?]+)""", page)
    urls = [urljoin(f"{folder.as_uri()}/", link) for link in links if unquote(link).rpartition("/")[2] == file]
    return [Path(unquote(urlsplit(url).path)) for url in urls if url.startswith("file:")]


def _links(spec: IndexSpec, root: Path, pip: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Name the folders and pages of wheels; pip passes over folders that are not there, uv does not."""
    told = [_place(one, root) for one in spec.find_links]
    for one, place in zip(spec.find_links, told):
        if (folder := _local(place)) and not folder.exists():
            raise WrongInput("is not there", where=f"env.index.find_links: {one}", mend="name a folder of wheels")
    pips = [_place(one, root) for one in pip.get("find-links", ())]
    return [*dict.fromkeys([*told, *(one for one in pips if not (folder := _local(one)) or folder.exists())])]


def _constraints(spec: IndexSpec, root: Path, pip: Mapping[str, tuple[str, ...]]) -> list[str]:
    told = [root / spec.constraints] if spec.constraints else []
    for path in told:
        if not path.is_file():
            raise WrongInput("is not there", where=f"env.index.constraints: {spec.constraints}", mend="name a file")
    return [str(path) for path in [*told, *(Path(one).expanduser() for one in pip.get("constraint", ()))]]


def _excluded(names: Sequence[str], scratch: Path) -> list[str]:
    if not names:
        return []
    path = scratch / "excludes.txt"
    path.write_text("".join(f"{normal(name)}\n" for name in names), "utf-8")
    return ["--excludes", str(path)]


def _cooldown(days: int, now: datetime.datetime) -> list[str]:
    """Pass over what is younger; to the day, so that a plan holds for a day. A flat folder has no dates, no limit."""
    if days <= 0:
        return []
    limit = now.astimezone(datetime.timezone.utc).date() - datetime.timedelta(days=days)
    return ["--exclude-newer", f"{limit.isoformat()}T00:00:00Z"]


def _place(one: str, root: Path) -> str:
    return one if "://" in one else str(root / Path(one).expanduser())


def _local(one: str) -> Path | None:
    if one.startswith("file:"):
        return Path(unquote(urlsplit(one).path))
    return None if "://" in one else Path(one)
