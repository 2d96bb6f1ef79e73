"""Verb check: which interpreter this is and which packages it has. Nothing is imported."""

from __future__ import annotations

import platform
import sysconfig
from importlib import metadata
from typing import Any

from assay_worker.load import Job


def run(job: Job) -> dict[str, Any]:
    """Name the interpreter and the version of each package asked for, "" when it is missing."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": sysconfig.get_platform(),
        "versions": {name: version(name) for name in job.request.get("packages", [])},
    }


def version(name: str) -> str:
    """Read an installed distribution's version from its metadata."""
    try:
        return metadata.version(name) or ""
    except (metadata.PackageNotFoundError, ValueError):
        return ""
