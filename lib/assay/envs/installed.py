"""What lies installed in an environment, read from its metadata: what a package needs in turn, what upstream pins."""

import os
from collections.abc import Iterable, Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from assay.envs import interpreter
from assay.envs.interpreter import normal
from assay.records import Source

LONGEST = 1 << 20


def closure(python: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Give the versions of packages and of all that these need, as far as it is installed."""
    facts = interpreter.facts(python)
    folders = {normal(name): folder for name, folder in _folders(facts.site_packages)}
    marks = {"python_version": ".".join(facts.version.split(".")[:2]), "python_full_version": facts.version}
    found: dict[str, str] = {}
    ahead = [(normal(name), frozenset[str]()) for name in wanted]
    seen = set(ahead)
    while ahead:
        name, extras = ahead.pop()
        if name not in folders:
            continue
        shown, version, requires = _metadata(folders[name])
        found[shown or name] = version
        for needed in _needed(requires, marks, extras):
            if needed not in seen:
                seen.add(needed)
                ahead.append(needed)
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def pins(source: Source) -> tuple[str, ...]:
    """Give upstream's own version limits for its runtime, as constraints; those that cannot hold here are left out."""
    limits: dict[str, set[str]] = {}
    for requirement in source.requirements:
        if requirement.kind == "runtime" and requirement.specifier and normal(requirement.name) != "python":
            limits.setdefault(normal(requirement.name), set()).add(requirement.specifier)
    return tuple(sorted(f"{name}{','.join(sorted(said))}" for name, said in limits.items() if _readable(said)))


def _readable(specifiers: Iterable[str]) -> bool:
    try:
        return bool(SpecifierSet(",".join(specifiers)))
    except InvalidSpecifier:
        return False


def _folders(sites: Sequence[str]) -> Iterator[tuple[str, str]]:
    for site in reversed(sites):  # the first one on the path counts
        for name in sorted(os.listdir(site)):
            if name.endswith(".dist-info"):
                yield name.partition("-")[0], os.path.join(site, name)


def _metadata(folder: str) -> tuple[str, str, list[str]]:
    try:
        with open(os.path.join(folder, "METADATA"), encoding="utf-8", errors="replace") as file:
            message = HeaderParser().parsestr(file.read(LONGEST).partition("\n\n")[0])
    except OSError:
        return "", "", []
    return str(message["Name"] or ""), str(message["Version"] or ""), message.get_all("Requires-Dist") or []


def _needed(
    requires: Sequence[str], marks: dict[str, str], extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    for line in requires:
        try:
            parsed = Requirement(line)
        except InvalidRequirement:
            continue
        if parsed.marker is None or any(parsed.marker.evaluate({**marks, "extra": e}) for e in {"", *extras}):
            yield normal(parsed.name), frozenset(parsed.extras)
