"""What running a file of an upstream tree imports, file by file; pure, over what the source stage recorded."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from assay.records import Import, Module
from assay.upstream.localtree import Local, Tree

STRENGTH = ("hard", "lazy", "dynamic", "optional")  # along a way the weakest counts, of several ways the strongest
# Once or elsewhere in the standard library: the target's Python need not be the one that runs us.
ONCE_STANDARD = frozenset(
    ["_typeshed", "aifc", "annotationlib", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "compression",
    "crypt", "distutils", "imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes",
    "smtpd", "sndhdr", "spwd", "sunau", "telnetlib", "tomllib", "uu", "xdrlib", "zoneinfo"]
)  # fmt: skip
OUTSIDE = "adapter.py"  # where `start` stands
STANDARD = sys.stdlib_module_names | ONCE_STANDARD


class Need(NamedTuple):
    """A module from outside the tree, and the first file and line that asks for it."""

    module: str
    names: list[str]
    file: str  # "" of what stands outside the tree itself
    line: int
    kind: str  # one of STRENGTH


class Closure(NamedTuple):
    """What is reached from some files of upstream."""

    files: list[str]
    needs: list[Need]
    unseen: list[str]  # "path:line (why)"


class _Step(NamedTuple):
    """A file to be read, and how surely it is."""

    path: str
    kind: str


class _Reached:
    """Collects, over all roots, the strongest way in which each file and module is reached."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.needs: dict[str, Need] = {}
        self.unseen: dict[str, None] = {}

    def need(self, found: Import, file: str, kind: str) -> None:
        """Add a module from outside; of several ways the strongest stays, the first of equals."""
        old = self.needs.get(found.module)
        names = sorted({*found.names, *(old.names if old else [])})
        if old and STRENGTH.index(old.kind) <= STRENGTH.index(kind):
            self.needs[found.module] = old._replace(names=names)
        else:
            self.needs[found.module] = Need(found.module, names, file, found.line, kind)

    def miss(self, file: str, line: int, why: str) -> None:
        """Note what cannot be followed."""
        self.unseen[f"{file or OUTSIDE}:{line} ({why})"] = None


def closure(modules: Sequence[Module], roots: Sequence[str], *, start: Sequence[Import] = ()) -> Closure:
    """Follow the imports of some files, and of `start`, which stands outside, through upstream's trees."""
    by_tree: dict[str, dict[str, Module]] = {}
    for module in modules:
        name, _, path = module.path.partition("/")
        by_tree.setdefault(name, {})[path] = module
    reached = _Reached()
    _from_outside([Tree(name, files) for name, files in by_tree.items()], start, reached)
    for root in roots:
        name, _, path = root.partition("/")
        if path not in by_tree.get(name, {}):
            reached.miss(root, 1, "no such Python file")
            continue
        tree = Tree(name, by_tree[name], root=path)
        _follow(tree, [_Step(p, "hard") for p in tree.run()], reached)
    needs = sorted(reached.needs.values(), key=lambda n: STRENGTH.index(n.kind))
    return Closure(list(reached.files), needs, list(reached.unseen))


def _from_outside(trees: "Sequence[Tree]", start: Sequence[Import], reached: _Reached) -> None:
    begun: dict[str, list[_Step]] = {}
    for found in start:
        kind = _combined("hard", found, ran=True)
        if not kind or found.module.startswith("."):
            continue
        for tree in trees:
            local = _looked_up(tree, found, "")
            if local is not None:
                begun.setdefault(tree.name, []).extend(_taken(tree, local, found, "", kind, reached))
                break
        else:
            _outside(found, "", kind, reached)
    for tree in trees:
        _follow(tree, begun.get(tree.name, []), reached)


def _follow(tree: Tree, steps: "list[_Step]", reached: _Reached) -> None:
    """Read files, the surely reached ones first, so that each is read once and by its strongest way."""
    seen: set[str] = set()
    waiting: dict[str, list[_Step]] = {kind: [s for s in steps if s.kind == kind] for kind in STRENGTH}
    for kind in STRENGTH:
        for step in waiting[kind]:  # grows while it is read
            if step.path in seen:
                continue
            seen.add(step.path)
            for further in _read(tree, step, reached):
                waiting[further.kind].append(further)


def _read(tree: Tree, step: _Step, reached: _Reached) -> "Iterator[_Step]":
    module, file = tree.files[step.path], f"{tree.name}/{step.path}"
    if file not in reached.files or STRENGTH.index(step.kind) < STRENGTH.index(reached.files[file]):
        reached.files[file] = step.kind
    if module.broken:
        reached.miss(file, 1, f"cannot be followed: {module.broken}")
    for found in module.imports:
        kind = _combined(step.kind, found, ran=step.path == tree.root)
        if not kind:
            continue
        local = _looked_up(tree, found, step.path)
        if local is not None:
            yield from _taken(tree, local, found, file, kind, reached)
        else:
            _outside(found, file, kind, reached)


def _combined(kind: str, found: Import, *, ran: bool) -> str:
    """Tell how surely an import of a file that is itself reached this surely happens; "" when it never does."""
    own = {"main": "hard" if ran else "", "typing": "", "computed": "dynamic"}.get(found.kind, found.kind)
    return max(kind, own, key=STRENGTH.index) if own else ""


def _looked_up(tree: Tree, found: Import, importer: str) -> "Local | None":
    if found.kind == "computed":
        return tree.expanded(found.module, importer)
    return tree.find(found.module, found.names, importer, standard=_top(found.module) in STANDARD)


def _taken(tree: Tree, local: Local, found: Import, file: str, kind: str, reached: _Reached) -> "Iterator[_Step]":
    if local.missing:
        reached.miss(file, found.line, f"imports {local.missing}, which is no Python file of the tree")
    for path in local.files:
        yield _Step(path, kind)


def _outside(found: Import, file: str, kind: str, reached: _Reached) -> None:
    if found.kind == "computed":
        named = f": {found.module}..." if found.module else ""
        reached.miss(file, found.line, f"imports a module by a computed name{named}")
    elif found.module and _top(found.module) not in STANDARD:
        reached.need(found, file, kind)


def _top(module: str) -> str:
    return module.partition(".")[0]
