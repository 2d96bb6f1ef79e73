"""Where cited text stands now: upstream moves, a line number decays, the text is found again or it is stale."""

import ast
from collections.abc import Collection, Iterable, Mapping

import msgspec

from assay import files
from assay.records import Claim, Evidence

SAME, MOVED, ELSEWHERE, AMBIGUOUS, STALE = "", "moved", "elsewhere", "ambiguous", "stale"


def cited(text: str) -> str:
    """Give a citation as it is compared: its lines without their indentation and inner runs of blanks."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def digest(text: str) -> str:
    """Digest a citation, so that only a change of its words counts."""
    return files.text_sha256(cited(text))[:16]


class Anchors:
    """The texts of upstream's files as they are now, read when first asked for."""

    def __init__(self, texts: "Mapping[str, str]", trees: "Collection[str]") -> None:
        self._texts, self._trees = texts, trees  # texts by "tree/path"
        self._lines: dict[str, list[str]] = {}
        self._scopes: dict[str, list[tuple[int, int, str]]] = {}

    def claim(self, claim: Claim) -> Claim:
        """Follow a claim's evidence; one that rests on reading alone is stale when its text is gone."""
        evidence = [self.follow(one) for one in claim.evidence]
        gone = claim.status == "read" and evidence and all(one.moved == STALE for one in evidence)
        status = "stale" if gone else claim.status
        return msgspec.structs.replace(claim, evidence=evidence, status=status)

    def follow(self, one: Evidence) -> Evidence:
        """Find cited text again: on its line, in its function, in its file, in another file, or not at all."""
        path, _, line = one.where.rpartition(":")
        if one.kind != "source" or not line.isdigit() or not one.text or path.partition("/")[0] not in self._trees:
            return one
        wanted = cited(one.text).splitlines()
        here = self._places(path, wanted)
        if int(line) in here:
            return _at(one, path, int(line), SAME)
        near = [n for n in here if self.scope(path, n) == one.qualname] if len(here) > 1 else here
        if len(near) == 1:
            return _at(one, path, near[0], MOVED)
        if here:
            return _at(one, path, min(near or here, key=lambda n: abs(n - int(line))), AMBIGUOUS)
        return self._elsewhere(one, path, wanted)

    def _elsewhere(self, one: Evidence, path: str, wanted: "list[str]") -> Evidence:
        found = [(other, n) for other in self._texts if other != path for n in self._places(other, wanted)]
        if len(found) == 1:
            return _at(one, *found[0], ELSEWHERE)
        return _at(one, path, int(one.where.rpartition(":")[2]), AMBIGUOUS if found else STALE)

    def _places(self, path: str, wanted: "list[str]") -> "list[int]":
        """List the lines at which a citation begins in a file."""
        lines = self._read(path)
        first = [i for i, line in enumerate(lines) if line == wanted[0]]
        return [i + 1 for i in first if lines[i : i + len(wanted)] == wanted]

    def _read(self, path: str) -> "list[str]":
        if path not in self._lines:
            text = self._texts.get(path, "")
            self._lines[path] = [" ".join(line.split()) for line in text.splitlines()]
        return self._lines[path]

    def scope(self, path: str, line: int) -> str:
        """Name the function or class that a line stands in; "" at the top of a file."""
        if path not in self._scopes:
            self._scopes[path] = list(_scopes(self._texts.get(path, "")))
        around = [s for s in self._scopes[path] if s[0] <= line <= s[1]]
        return min(around, key=lambda s: s[1] - s[0])[2] if around else ""


def _at(one: Evidence, path: str, line: int, moved: str) -> Evidence:
    return msgspec.structs.replace(one, where=f"{path}:{line}", moved=moved)


def _scopes(text: str) -> "Iterable[tuple[int, int, str]]":
    try:
        waiting: list[tuple[ast.AST, str]] = [(ast.parse(text), "")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while waiting:
        node, name = waiting.pop()
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inner = f"{name}.{child.name}".lstrip(".")
                yield child.lineno, child.end_lineno or child.lineno, inner
            waiting.append((child, inner))
