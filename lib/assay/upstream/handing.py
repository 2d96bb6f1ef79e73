"""What upstream's own callers hand to a function: a file as it was read, or something that they made of it."""

import ast

from assay.upstream.callers import Calling, Place, arguments, parameters_of
from assay.upstream.index import Define, Function, Outside
from assay.upstream.origins import Origins
from assay.upstream.steps import IMAGES

DEEPEST, MOST = 3, 8
SAME = {"convert", "copy", "cvtColor"}  # the picture stays the picture
FRAMES = {"read", "grab", "capture_array"}  # of a camera or film


class Handing:
    """Looks at the calls of a function throughout the trees."""

    def __init__(self, origins: Origins) -> None:
        self.origins, self.index, self.callers = origins, origins.index, origins.callers

    def made_before(self, functions: "list[tuple[Define, str]]") -> str:
        """Give the line on which one of these is handed something made before; "" when none is."""
        for function, name in functions:
            for call in self._calls(function):
                if not self._as_read(self._given(call, function, name), call.place, 0):
                    return call.place.file.where(call.node)
        return ""

    def _calls(self, function: Define) -> "list[Calling]":
        """List the calls from elsewhere than its own class."""
        outer = function.outer
        return [
            c
            for c in self.callers.of(function)[:MOST]
            if c.place.owner is None or outer is None or c.place.owner.node is not outer.node
        ]

    @staticmethod
    def _given(call: Calling, function: Define, name: str) -> "ast.expr | None":
        node = function.node
        return None if isinstance(node, ast.ClassDef) else arguments(
            call.node, node, bound=function.outer is not None).get(name)  # fmt: skip

    def _as_read(self, node: "ast.expr | None", place: Place, depth: int) -> bool:
        """Tell a picture as it was read; of a parameter, when every caller hands that over."""
        if node is None or depth > DEEPEST:
            return False
        if isinstance(node, ast.Call):
            thing = self.index.dotted(place.file, node.func)
            if isinstance(thing, Outside) and thing.name in IMAGES:
                return True
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            inner = node.func.value if isinstance(node.func, ast.Attribute) and not isinstance(thing, Outside) else None
            inner = inner or (node.args[0] if node.args else None)
            return name in FRAMES or (name in SAME and self._as_read(inner, place, depth + 1))
        if isinstance(node, ast.Name) and place.functions:
            return self._named(node.id, place.functions[-1], place, depth)
        given = place.file.assigned.get(node.id, []) if isinstance(node, ast.Name) else []
        return bool(given) and all(self._as_read(one, place, depth + 1) for one in given)

    def _named(self, name: str, function: Function, place: Place, depth: int) -> bool:
        given = self.origins.locals(function).get(name)
        if given:
            return all(self._as_read(one.value, place, depth + 1) for one in given)
        return name in parameters_of(function) and self._by_callers(name, function, place, depth)

    def _by_callers(self, name: str, function: Function, place: Place, depth: int) -> bool:
        owner = place.owner
        define = Define(place.file, function, function.name, owner)
        calls = self._calls(define) if owner or function.name in place.file.defs else []
        return all(self._as_read(self._given(c, define, name), c.place, depth + 1) for c in calls)
