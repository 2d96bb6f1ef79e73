"""What upstream's source says of its model, its scripts, its labels and settings; all is read, nothing is run."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from assay.records import Entrypoint, Labels, Module, Weight
from assay.records.upstream import Candidate, Command, Fact, Script, Snippet, Use
from assay.upstream import console, entrypoints, scripts, snippets
from assay.upstream.building import Builder
from assay.upstream.callsites import Callsites
from assay.upstream.classes import Ranked, Ranking
from assay.upstream.console import Console
from assay.upstream.facts import Reading
from assay.upstream.finding import Finding
from assay.upstream.handlers import Handlers
from assay.upstream.index import Define, File, Index
from assay.upstream.keytree import Keys
from assay.upstream.labelfiles import Names
from assay.upstream.options import Options
from assay.upstream.origins import Origins
from assay.upstream.pages import Pages
from assay.upstream.requirements import SKIPPED, Unreadable
from assay.upstream.scripts import Scripts
from assay.upstream.settings import Settings
from assay.upstream.uses import Uses
from assay.upstream.walking import Walk

MOST_INDEXED, MOST_TEXT, NEAREST, MOST_NOTES, MOST_WALKED, MOST_USES = 3_000, 8_000_000, 5, 20, 3, 3
ALIKE = 0.8  # of the best
Graph = dict[str, list[str]]


class Read(NamedTuple):
    """What was read."""

    entrypoints: list[Entrypoint]
    candidates: list[Candidate]
    scripts: list[Script]
    snippets: list[Snippet]
    uses: list[Use]
    labels: list[Labels]
    configs: list[str]
    facts: list[Fact]
    notes: list[str]


def read(trees: Mapping[str, Path], found: Scripts, tensors: "Sequence[Weight]", name: str = "") -> Read:
    """Read the trees for what builds, runs and surrounds the model that has these tensors, in a file of this name."""
    graph = _graph(found.modules)
    consoles = console.find(trees, found.modules, found.parsed)
    commands = _commands(found, consoles)
    found.documented.update(commands.keys() & consoles.keys())
    named = {path: one.name for path, one in consoles.items()}
    ranked = entrypoints.rank(found.modules, _marks(found, graph, named), found.documented, named)
    near = _near(ranked[:NEAREST], graph)
    index, notes = _index(trees, found, near)
    settings = Settings(trees, list(_files(trees)))
    settings.use([*(f.text for f in index.files.values()), *found.texts.values()])
    builder = Builder(index, settings)
    options = Options(index, builder)
    options.commands = commands
    names = Names(trees, settings.everything, index, settings)
    labels = names.all()
    origins = Origins(index, settings, options, names)
    callsites = Callsites(origins, near, labels)
    best = Ranking(index, builder, keys(tensors), near, name).run()
    return Read(
        entrypoints=ranked,
        candidates=[callsites.candidate(ranked) for ranked in best],
        scripts=[_script(entry, index, options, found, consoles) for entry in ranked],
        snippets=snippets.shown(found.texts, found.notebooks, [m.path for m in found.modules]),
        uses=[*Handlers(index, near).all(), *Pages(index, near).all(), *Uses(index, origins, _meant(best), near).all()][
            :MOST_USES
        ],
        labels=labels,
        configs=settings.used,
        facts=_facts(ranked, index, origins, _meant(best)),
        notes=notes,
    )


def _facts(ranked: "list[Entrypoint]", index: Index, origins: Origins, models: "list[Define]") -> "list[Fact]":
    """Take the facts of the first of the likeliest scripts in which an image is seen to reach the model."""
    for entry in ranked[:MOST_WALKED]:
        file = index.files.get(entry.path)
        if file:
            walk = Walk(index, origins, models)
            steps = walk.run(file)
            if walk.fed:
                return Reading(origins).facts(walk, steps)
    return []


def _meant(ranked: "list[Ranked]") -> "list[Define]":
    """Take what may as well be the model as the best: as good by its names, and by the shapes that are known."""
    score, shaped = (ranked[0].fit.score, ranked[0].fit.shaped) if ranked else (0.0, 0)
    return [r.define for r in ranked if r.fit.score > ALIKE * score and r.fit.shaped >= ALIKE * shaped]


def keys(tensors: "Sequence[Weight]") -> Keys:
    """Take the keys of one set of weights, the largest of several."""
    parts: dict[str, list[Weight]] = {}
    for tensor in tensors:
        parts.setdefault(tensor.part, []).append(tensor)
    best = max(parts.values(), key=len, default=[])
    return Keys((t.name, t.shape) for t in best)


def _graph(modules: "Sequence[Module]") -> Graph:
    """Tell which files each file imports."""
    finding, graph = Finding(modules), {}
    for module in modules:
        name, _, inner = module.path.partition("/")
        wanted = [i for i in module.imports if i.kind not in ("typing", "computed")]
        local = [finding.find(name, inner, i.module, i.names) for i in wanted]
        graph[module.path] = list(dict.fromkeys(f"{name}/{path}" for found in local if found for path in found.files))
    return graph


def _reach(graph: Graph, start: str) -> "list[str]":
    """List the files that a file leads to, the nearest first, itself among them."""
    found = {start: None}
    waiting = [start]
    for path in waiting:  # grows while it is read
        for further in graph.get(path, ()):
            if further not in found:
                found[further] = None
                waiting.append(further)
    return waiting


def _marks(found: Scripts, graph: Graph, installed: "Collection[str]") -> "dict[str, list[str]]":
    """Add to what files show themselves that they load a model by what they import."""
    marks = {path: list(seen) for path, seen in found.marks.items()}
    for path, seen in marks.items():
        runs = entrypoints.GUARDED in seen or path in found.documented or path in installed
        if not runs or entrypoints.LOADS in seen or entrypoints.TRAINS in seen:
            continue
        if any(entrypoints.LOADS in found.marks.get(other, ()) for other in _reach(graph, path)[1:]):
            seen.append(entrypoints.LOADS_BY)
    return marks


def _near(entries: "Iterable[Entrypoint]", graph: Graph) -> "dict[str, int]":
    near: dict[str, int] = {}
    for place, entry in enumerate(entries):
        for path in _reach(graph, entry.path):
            near.setdefault(path, place)
    return near


def _index(trees: Mapping[str, Path], found: Scripts, near: "Mapping[str, int]") -> "tuple[Index, list[str]]":
    """Index the files, those nearest to the entrypoints first, as many as can be kept."""
    whole = [m.path for m in found.modules if not m.broken]
    order = sorted(whole, key=lambda p: (near.get(p, 99), p.count("/"), p))[:MOST_INDEXED]
    files, kept = [], 0
    for path in order:
        text, tree = found.parsed.get(path, ("", None))
        if tree is None:
            try:
                text, tree, _ = scripts.parse(trees, path)
            except Unreadable:
                continue
        kept += len(text)
        if tree is None or kept > MOST_TEXT:
            break
        files.append(File(path, text, tree))
    broken = [f"{m.path}: {m.broken}" for m in found.modules if m.broken]
    notes = [
        *broken[:MOST_NOTES],
        *([f"{len(broken) - MOST_NOTES} more files are broken"] if len(broken) > MOST_NOTES else []),
    ]
    if len(files) < len(whole):
        left = len(whole) - len(files)
        notes.append(f"{left} of {len(whole)} Python files, the farthest from the entrypoints, were not looked into")
    return Index(files, found.modules), notes


def _files(trees: Mapping[str, Path]) -> "Iterable[str]":
    for name, tree in trees.items():
        for folder, folders, names in os.walk(tree):
            folders[:] = sorted(f for f in folders if f not in SKIPPED)
            here = os.path.relpath(folder, tree).replace(os.sep, "/")
            for file in sorted(names):
                if not os.path.islink(os.path.join(folder, file)):
                    yield f"{name}/{file}" if here == "." else f"{name}/{here}/{file}"


def _commands(found: Scripts, consoles: "Mapping[str, Console]") -> "dict[str, list[Command]]":
    """List the command lines of the documents by the file that they run."""
    known = {m.path for m in found.modules}
    pairs: list[tuple[str, Command]] = []
    for document, text in found.texts.items():
        tree = document.partition("/")[0] + "/"
        installed = {one.name: path for path, one in consoles.items() if path.startswith(tree)}
        pairs += snippets.commands(document, text, known, installed)
    by_path: dict[str, list[Command]] = {}
    for path, command in pairs[: snippets.MOST_COMMANDS]:
        by_path.setdefault(path, []).append(command)
    return by_path


def _script(
    entry: Entrypoint, index: Index, options: Options, found: Scripts, consoles: "Mapping[str, Console]"
) -> Script:
    file = index.files.get(entry.path)
    return Script(
        path=entry.path,
        options=[option for _, option in options.reached(file)] if file else [],
        commands=options.commands.get(entry.path, []),
        guarded=entrypoints.GUARDED in found.marks.get(entry.path, ()),
        call=consoles[entry.path].call if entry.path in consoles else "",
    )
