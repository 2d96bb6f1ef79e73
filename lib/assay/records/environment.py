"""What environment.json says: the interpreter and its packages."""

from assay.records.base import Part, Record


class Package(Part, frozen=True, kw_only=True):
    """A package that the model needs, and what is there."""

    name: str
    version: str  # "" when missing
    why: str
    group: str  # runtime | model | utility | acceleration


class Rung(Part, frozen=True, kw_only=True):
    """One way to choose versions that was tried, and how the proof ended."""

    number: int
    what: str
    packages: list[str]  # name==version, of what it would have added
    outcome: str  # ok | unsolvable | broken
    message: str
    culprit: str


class Environment(Record, frozen=True, kw_only=True):
    """outputs/environment.json"""

    manager: str  # venv | pixi | conda | none
    chosen_because: str
    made: str = "as installed"  # as installed | added | new
    note: str = ""  # what whoever adds packages there should know
    rungs: list[Rung] = []
    unseen: list[str] = []  # imports that could not be followed
    unknown: list[str] = []  # imports that no package is known for, and why
    python: str
    implementation: str
    platform: str
    packages: list[Package]
    missing: list[str]
