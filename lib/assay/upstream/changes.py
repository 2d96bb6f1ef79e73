"""Whether upstream's code changes a value after the line that gives it; told by the text, so rather once too often."""

import re
from collections.abc import Callable

from assay.upstream.index import Index

NAMESPACES = {
    "args", "opt", "opts", "options", "flags", "FLAGS", "hparams", "params", "cfg", "config", "conf", "opt_", "arg",
    "h",
}  # fmt: skip
SET = r"\s*[-+*/]?=[^=]"
ITEM = r"\s*(\[[^\]\n]*\]\s*[-+*/]?=[^=]|\.(append|extend|update|insert)\()"


class Changes:
    """Looks through all files for what sets a name again."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._known: dict[tuple[str, str], bool] = {}

    def of_constant(self, name: str) -> bool:
        """Tell whether a constant is set in a function, in place or from another module."""
        return self._found("constant", name, _constant)

    def of_attribute(self, name: str) -> bool:
        """Tell whether an attribute is set from outside its object, or in place."""
        return self._found("attribute", name, lambda n: rf"(?<!\bself)\.{n}{SET}|self\.{n}(\s*[-+*/]=|{ITEM})")

    def of_option(self, name: str) -> bool:
        """Tell whether code sets an option of the command line itself."""
        spaces = "|".join(sorted(NAMESPACES))
        return self._found("option", name, lambda n: rf"\b({spaces})\.{n}{SET}")

    def _found(self, kind: str, name: str, pattern: "Callable[[str], str]") -> bool:
        if (kind, name) not in self._known:
            compiled = re.compile(pattern(re.escape(name)))
            texts = (file.text for file in self.index.files.values() if name in file.text)
            self._known[kind, name] = any(compiled.search(text) for text in texts)
        return self._known[kind, name]


def _constant(name: str) -> str:
    inside = rf"(?m)^\s*global\b.*\b{name}\b|\b{name}{ITEM}|\b{name}\s*[-+*/]=|\bfor\s+{name}\s+in\b"
    return rf"{inside}|\.{name}{SET}"
