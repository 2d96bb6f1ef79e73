"""What environment.json and match.json say: the interpreter and its packages."""

from assay.records.base import Part, Record, Status


class Package(Part, frozen=True, kw_only=True):
    """A package that the model needs, and what is there."""

    name: str
    version: str  # "" when missing
    why: str
    group: str  # runtime | model | utility | acceleration


class Environment(Record, frozen=True, kw_only=True):
    """outputs/environment.json"""

    manager: str  # venv | pixi | conda | none
    chosen_because: str
    python: str
    implementation: str
    platform: str
    packages: list[Package]
    missing: list[str]


class Match(Record, frozen=True, kw_only=True):
    """outputs/match.json"""

    status: Status
    trusted: bool = False  # whether the experiment trusts the code of this very checkpoint
