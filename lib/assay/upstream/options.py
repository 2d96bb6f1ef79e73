"""The options of upstream's command lines, as its scripts declare them; read, never run."""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from assay.records import Option
from assay.records.upstream import Command
from assay.upstream.abstract import plain
from assay.upstream.building import Builder, Frame
from assay.upstream.index import File, Index, unparsed

MOST, LONGEST = 150, 300
DECLARES = (
    "add_argument",
    "option",
    "argument",
    "DEFINE_string",
    "DEFINE_integer",
    "DEFINE_float",
    "DEFINE_boolean",
    "DEFINE_bool",
)


class Options:
    """The options that files of the trees declare, and what documents give them."""

    def __init__(self, index: Index, builder: Builder) -> None:
        self.index, self.builder = index, builder
        self.commands: dict[str, list[Command]] = {}
        self._known: dict[str, list[Option]] = {}

    def of(self, file: File) -> "list[Option]":
        """List what a file itself declares."""
        if file.path not in self._known:
            asks = any(word in file.text for word in ("add_argument", "click.", "sys.argv", "DEFINE_"))
            self._known[file.path] = list(self._declared(file))[:MOST] if asks else []
        return self._known[file.path]

    def reached(self, file: File) -> "list[tuple[File, Option]]":
        """List what a script declares, itself or by what it imports for that."""
        own = [(file, option) for option in self.of(file)]
        if own:
            return own
        found = []
        for bound in file.imports.values():
            thing = self.index.imported(file, bound)
            other = getattr(thing, "file", None)
            if isinstance(other, File) and ("add_argument" in other.text) and _uses(file, other):
                found += [(other, option) for option in self.of(other)]
        return list(dict((id(o), (f, o)) for f, o in found).values())

    def named(self, dest: str, file: File) -> "list[tuple[File, Option]]":
        """Find an option by the name under which its value is used: in a file, or where there is one only."""
        own = [(f, o) for f, o in self.reached(file) if o.dest == dest]
        if own:
            return own
        all_of = [(f, o) for f in self.index.files.values() for o in self.of(f) if o.dest == dest]
        return all_of if len({repr(o.default) for _, o in all_of}) == 1 else []

    def documented(self, script: str, option: Option) -> "Iterator[tuple[Any, str, str]]":
        """Give the values that documents give to an option of a script."""
        for command in self.commands.get(script, ()):
            for place, word in enumerate(command.argv):
                flag, equals, value = word.partition("=")
                if flag in option.flags:
                    given = value if equals else (command.argv[place + 1] if place + 1 < len(command.argv) else "")
                    if given and (equals or not given.startswith("--")):
                        yield _typed(given, option.type), command.where, " ".join(command.argv)[:LONGEST]

    def _declared(self, file: File) -> "Iterator[Option]":
        frame = Frame(file, {})
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in DECLARES and node.args:
                    option = self._option(node, name, frame)
                    if option:
                        yield option
        yield from _positions(file)

    def _option(self, node: ast.Call, how: str, frame: Frame) -> "Option | None":
        flags = [self.builder.known(a, frame) for a in node.args if not isinstance(a, ast.Starred)]
        names = [f for f in flags if isinstance(f, str) and plain(f)]
        if not names:
            return None
        given = {k.arg: k.value for k in node.keywords if k.arg}
        if how.startswith("DEFINE_"):
            return self._of_flags(node, names[0], how, frame)
        action = _word(given.get("action"))
        multiple = how == "option" and _word(given.get("is_flag")) == "True"
        return Option(
            flags=names,
            dest=_word(given.get("dest")) or _dest(names),
            default=self._default(given.get("default"), action or ("store_true" if multiple else ""), frame),
            type=_word(given.get("type")) or self._kind(given.get("default"), action, frame),
            action=action or ("store_true" if multiple else ""),
            required=_word(given.get("required")) == "True" or (how == "add_argument" and not names[0].startswith("-")),
            nargs=self._plain(given.get("nargs"), frame),
            choices=self._choices(given.get("choices"), frame),
            help=str(self._plain(given.get("help"), frame) or "")[:LONGEST],
            line=node.lineno,
        )

    def _of_flags(self, node: ast.Call, name: str, how: str, frame: Frame) -> Option:
        default = self._default(node.args[1] if len(node.args) > 1 else None, "", frame)
        kind = {"string": "str", "integer": "int", "float": "float"}.get(how.removeprefix("DEFINE_"), "bool")
        return Option(flags=[f"--{name}"], dest=name, default=default, type=kind, line=node.lineno)

    def _default(self, node: "ast.expr | None", action: str, frame: Frame) -> Any:
        if node is None:
            return {"store_true": False, "store_false": True}.get(action)
        value = self.builder.known(node, frame)
        return (
            value if plain(value) and not isinstance(value, (set, frozenset)) else {"unknown": unparsed(node)[:LONGEST]}
        )

    def _plain(self, node: "ast.expr | None", frame: Frame) -> Any:
        value = self.builder.known(node, frame)
        return value if isinstance(value, (int, str)) and plain(value) else None

    def _choices(self, node: "ast.expr | None", frame: Frame) -> "list[Any]":
        value = self.builder.known(node, frame)
        return list(value) if isinstance(value, (list, tuple, dict, set)) and plain(value) else []

    def _kind(self, node: "ast.expr | None", action: str, frame: Frame) -> str:
        if action in ("store_true", "store_false"):
            return "bool"
        value = self.builder.known(node, frame)
        return "bool" if isinstance(value, bool) else ""


def _uses(file: File, other: File) -> bool:
    """Tell whether a file calls what another one declares its options by."""
    makers = [d.node.name for d in other.defs.values() if "add_argument" in other.text]
    return any(f"{name}(" in file.text for name in makers)


def _dest(names: "Sequence[str]") -> str:
    long = next((n for n in names if n.startswith("--")), names[0])
    bare = [n for n in names if not n.startswith("-")]
    return (bare[-1] if bare and len(names) > 1 else long).lstrip("-").replace("-", "_")


def _word(node: "ast.expr | None") -> str:
    """Give a name or constant as it is written."""
    if node is None:
        return ""
    return str(node.value) if isinstance(node, ast.Constant) else unparsed(node)[:80]


def _typed(text: str, kind: str) -> Any:
    for name, make in (("int", int), ("float", float)):
        if kind == name:
            try:
                return make(text)
            except ValueError:
                return text
    return text


def _positions(file: File) -> "Iterator[Option]":
    """Give what a script takes from sys.argv by its place."""
    if "sys.argv" not in file.text:
        return
    places: dict[int, int] = {}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Subscript) and unparsed(node.value) in ("sys.argv", "argv"):
            place = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if isinstance(place, int) and place > 0:
                places.setdefault(place, node.lineno)
    for place in sorted(places):
        yield Option(flags=[], dest=f"argv{place}", required=True, line=places[place])
