"""Verb check: which interpreter this is, which packages it has and which modules they give. Nothing is imported."""

from __future__ import annotations

import platform
import sysconfig
from importlib import metadata
from typing import Any

from assay_worker import distributions
from assay_worker.load import Job


def run(job: Job) -> dict[str, Any]:
    """Answer what a request asks."""
    return found(job.request)


def found(request: dict[str, Any]) -> dict[str, Any]:
    """Name the interpreter and the version of each package asked for, "" when it is missing; `?name` is an import."""
    asked = request.get("packages", [])
    provided = {name: provider(name[1:]) for name in asked if name.startswith("?")}
    provided_by = distributions.holding(request.get("modules", []))
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": sysconfig.get_platform(),
        "versions": {name: version(provided.get(name, name)) for name in asked},
        "provided": provided,
        "provided_by": provided_by,
        "present": {name: bool(names) or distributions.findable(name) for name, names in provided_by.items()},
    }


def version(name: str) -> str:
    """Read an installed distribution's version from its metadata."""
    try:
        return metadata.version(name) or ""
    except (metadata.PackageNotFoundError, ValueError):
        return ""


def provider(module: str) -> str:
    """Name the distribution that an import name comes from: the one called so, or the one that holds it; else ""."""
    if version(module):
        return module
    for found in metadata.distributions():
        names = {file.parts[0] for file in found.files or () if file.parts}
        if module in names or module + ".py" in names:
            return str(found.metadata["Name"])
    return ""
