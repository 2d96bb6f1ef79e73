"""What match.json says: the class and arguments that the weights belong to, or how near each candidate came."""

from typing import Any

from assay.records.base import Part, Record, Status


class MatchValue(Part, frozen=True, kw_only=True):
    """Another value of upstream's that the weights fit as well."""

    value: Any
    by: str
    where: str = ""
    text: str = ""


class MatchArgument(Part, frozen=True, kw_only=True):
    """One argument of what makes the model, who says so, and whether the weights could tell another value."""

    name: str
    value: Any
    by: str  # call | config | labels | literal | constant | docs | default | assumed | solved | guess
    form: str = ""  # "" as it stands | tuple | code (an expression in the module) | object:<class in the module>
    passed: bool = True  # false: it keeps its default
    where: str = ""
    text: str = ""
    identified: bool | None = None  # null: it could not be changed
    solved: bool = False  # worked out from shapes
    loose: list[str] = []  # entries of it that no shape depends on
    others: list[MatchValue] = []
    refused: list[MatchValue] = []  # what upstream's calls pass, and could not be made with here


class Matched(Part, frozen=True, kw_only=True):
    """A class or factory that explains the weights, and how it is called."""

    module: str  # as imported from root
    root: str
    path: str
    qualname: str
    kind: str = "class"  # class | factory
    where: str = ""  # where it is defined
    text: str = ""
    args: list[MatchArgument] = []
    take: str = ""  # how the model is taken out of what is made: "", [0], .attribute
    part: str = ""  # which part of the checkpoint
    strip: str = ""  # what stands before every name in the checkpoint
    matched: int = 0  # tensors that are the same by name and shape
    missing: list[str] = []  # in the model and not in the checkpoint
    unexpected: list[str] = []  # the other way round
    prelude: list[str] = []  # what has to be run before the import
    notes: list[str] = []


class MatchTried(Part, frozen=True, kw_only=True):
    """How near one candidate came."""

    path: str
    qualname: str
    score: float  # 1.0 when every name and shape is the same
    outcome: str = ""
    constructions: int = 0
    why: str = ""  # it could not be made
    differs: list[str] = []


class Match(Record, frozen=True, kw_only=True):
    """outputs/match.json"""

    status: Status
    trusted: bool = False  # whether the experiment trusts the code of this very checkpoint
    # exact | subset | superset | twins | blocked | none | no candidates | no source
    # and where no class is looked for: not needed | recipe | transformers
    outcome: str = ""
    why: str = ""  # there is no match
    best: Matched | None = None
    twins: list[Matched] = []  # other models that fit exactly
    strip: str = ""  # of the best
    missing: list[str] = []
    unexpected: list[str] = []
    missing_package: str = ""
    tried: list[MatchTried] = []
    constructions: int = 0
    notes: list[str] = []
