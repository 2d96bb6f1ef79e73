"""Where an import of a file of upstream leads, also when a script's own folder is where Python looks first."""

import posixpath
from collections.abc import Sequence

from assay.records import Module
from assay.upstream.localtree import Local, Tree


class Finding:
    """All trees, and each as seen from the folders whose scripts import what lies beside them."""

    def __init__(self, modules: "Sequence[Module]") -> None:
        self._files: dict[str, dict[str, Module]] = {}
        for module in modules:
            name, _, inner = module.path.partition("/")
            self._files.setdefault(name, {})[inner] = module
        self.trees = {name: Tree(name, files) for name, files in self._files.items()}
        self._folders = {name: _folders(files) for name, files in self._files.items()}
        self._beside: dict[tuple[str, str], Tree] = {}

    def find(self, name: str, importer: str, module: str, names: "Sequence[str]") -> "Local | None":
        """Find an import in a tree; None when it is not from there."""
        found = self.trees[name].find(module, names, importer, standard=False)
        if module.startswith(".") or (found is not None and found.files):
            return found
        folder, top = posixpath.dirname(importer), module.partition(".")[0]
        if not folder or posixpath.join(folder, top) not in self._folders[name]:
            return found
        if (name, folder) not in self._beside:
            self._beside[name, folder] = Tree(name, self._files[name], root=importer)
        return self._beside[name, folder].find(module, names, importer, standard=False) or found


def _folders(files: "dict[str, Module]") -> "set[str]":
    found: set[str] = set()
    for path in files:
        while path := posixpath.dirname(path):
            found.add(path)
    return found
