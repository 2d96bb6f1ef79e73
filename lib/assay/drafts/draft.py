"""A draft of an adapter, written from watched runs of upstream's own entrypoint."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from assay.drafts import after, before, building, emit, hoisting, itself, layout, looped, seen, sounds
from assay.drafts.after import Decoding
from assay.drafts.answers import RANKED, SOUND
from assay.drafts.before import Feed
from assay.drafts.compat import compat
from assay.drafts.cut import CannotCut
from assay.drafts.depends import WEIGHTS, is_setting
from assay.drafts.flow import Line, writes
from assay.drafts.header import Header
from assay.drafts.observed import MARK, plain_name
from assay.drafts.program import SEVERAL, Program, again, leads_on, program
from assay.drafts.reading import names
from assay.drafts.resolve import making
from assay.drafts.seen import Run, parse_own

OF_ITS_OWN = "the script works on data of its own"
FUNCTIONS = ("build", "preprocess", "infer", "postprocess", "draw")


class Draft(NamedTuple):
    """An adapter's text, and what it could and could not say."""

    text: str
    functions: dict[str, bool]
    params: dict[str, Any]  # keyword of postprocess -> default
    citations: dict[str, str]  # what -> tree/path:line
    why: dict[str, str]  # function -> why it is missing
    inputs: list[str]  # names of the tensors, in the model's order
    outputs: list[str]
    roots: list[str]  # folders that upstream's modules are imported from
    many: bool = False  # upstream calls the model again and again: preprocess gives what its loop is given


def draft(
    runs: Sequence[Mapping[str, Any]],
    texts: Mapping[str, str],
    checkpoint: Mapping[str, Any],
    match: Mapping[str, Any] | None,
    tree: str,
    source: str = "",
    files: Collection[str] = (),
    alone: bool = False,
) -> list[Draft]:
    """Write drafts of an adapter, the preferred one first; `source` says where the runs came from.

    `files` names every file of the tree, "tree/path"; without it those in `texts` are known. A run that was `alone`
    took no input of ours.

    The second, if any, answers only with what upstream showed, not with all that it made to be shown; the last ones
    make the network once more, for steps of its own before and after its answer.
    """
    read = [seen.run_of(r) for r in runs if r.get("frames")]
    interventions = [i for r in runs for i in r.get("interventions", []) if isinstance(i, Mapping)]
    made: list[Draft] = []
    for anew, shown_only in ((False, False), (False, True), (True, False), (True, True)):
        writer = _Writer(texts, tree, source, checkpoint)
        writer.interventions, writer.shown_only, writer.anew = interventions, shown_only, anew
        writer.files, writer.alone = files or texts, alone
        one = _drafted(writer, read, match)
        made += [one] if one not in made else []
    return made


def _drafted(writer: _Writer, runs: list[Run], match: Mapping[str, Any] | None) -> Draft:
    try:
        if not runs:
            raise CannotCut("no run was watched")
        first = writer.alone or leads_on(runs)
        many = not first and again(runs)
        whole = program(runs, writer.texts, 1 if many else 0, writer.files)
    except CannotCut as error:
        writer.build(None, runs, match)
        return writer.draft({name: str(error) for name in ("preprocess", "postprocess")})
    writer.watched = True
    writer.build(whole, runs, match)
    if writer.anew:
        words = writer.checkpoint.get("words", ())
        whole = itself.asked(whole, writer.construction, runs[0].events, words) or whole
    if many:
        writer.loop(whole, runs, writer.texts)
    else:
        writer.functions(whole, runs[0], OF_ITS_OWN if writer.alone else SEVERAL if first else "")
    return writer.draft({})


class _Writer:
    """Puts the parts of one adapter together."""

    def __init__(self, texts: Mapping[str, str], tree: str, source: str, checkpoint: Mapping[str, Any]) -> None:
        self.texts, self.tree, self.source, self.checkpoint = texts, tree, source, checkpoint
        self.header: Header | None = None
        self.parts: list[str] = []
        self.written: set[str] = set()
        self.why: dict[str, str] = {}
        self.params: dict[str, Any] = {}
        self.citations: dict[str, str] = {}
        self.inputs: list[str] = []
        self.many = False
        self.shown_only = False
        self.anew = self.alone = False
        self.construction = ""
        self.sounding: Mapping[seen.Span, Mapping[str, Any]] = {}
        self.watched = False
        self.outputs: list[str] = []
        self.interventions: list[Mapping[str, Any]] = []
        self.files: Collection[str] = ()

    def build(self, whole: Program | None, runs: list[Run], match: Mapping[str, Any] | None) -> None:
        """Write build, or say why not."""
        self.header = Header.of_program(whole, self.texts)
        self.header.compat = compat(self.interventions, self.tree, self.header.imported_below)
        made = building.build(self.checkpoint, match, runs, self.header)
        self.construction = made.construction
        if made.text:
            self.parts.append(made.text)
            self.written.add("build")
            self.citations.update(made.citations)
        elif made.why:
            self._build_by_lines(whole, runs, made.why)

    def _build_by_lines(self, whole: Program | None, runs: list[Run], why: str) -> None:
        """Write build with the statement of upstream's that made the model, where its class alone does not say how."""
        self.why["build"] = why
        if whole is None:
            return
        try:
            found = building.statement(whole, runs)
            lines = [
                hoisting.literal_params(line, whole.params) for line in [*making(whole, names(found.node)).lines, found]
            ]
            head, *loading = building.loading(self.checkpoint, self._header())
            body = self._body(lines, [], ["model", "state", "checkpoint", "device", "weights"])
        except CannotCut as error:
            self.why["build"] = f"{why}; {error}"
            return
        doc = '    """Return the model with its weights, ready to run."""'
        self.parts.append("\n".join([head, doc, *body, *loading]))
        self.written.add("build")
        del self.why["build"]

    def functions(self, whole: Program, run: Run, refused: str = "") -> None:
        """Write preprocess, infer and postprocess, each as far as it can be told; `refused` says why not the last."""
        self._prologue(whole)
        fed: Feed | None = None
        decoded: Decoding | None = None
        try:
            graph = self.checkpoint.get("graph") or {}
            fed = before.feed(whole, {str(i["name"]): str(i.get("dtype", "")) for i in graph.get("inputs", [])})
            self.inputs = before.input_names(fed, whole.call.facts)
        except CannotCut as error:
            self.why["preprocess"] = str(error)
        try:
            if refused:
                raise CannotCut(refused)
            decoded = self._decoding(whole, run)
        except CannotCut as error:
            self.why["postprocess"] = str(error)
        if fed is not None:
            self._attempt("preprocess", lambda: self._preprocess(whole, fed, decoded))
        if fed is not None and (_special(whole, fed)):
            self._attempt("infer", lambda: self._infer(whole, fed))
        if decoded is not None:
            self._attempt("postprocess", lambda: self._postprocess(whole, decoded))

    def loop(self, whole: Program, runs: list[Run], texts: Mapping[str, str]) -> None:
        """Write the functions around a loop of upstream's that calls the model."""
        self._prologue(whole)
        try:
            made = looped.loop(whole, program(runs, texts).pieces[-1])
            decoded = after.decoding(whole, set(), made.replayed, ["output"])
        except CannotCut as error:
            self.why.update({name: str(error) for name in ("preprocess", "infer", "postprocess")})
            return
        decoded.params.update(made.params)
        self.many = True
        self.inputs = list(made.feed.tensors)
        self._header().own("torch")
        self.parts.append(looped.CLASSES.rstrip())
        self._attempt("preprocess", lambda: self._preprocess(whole, made.feed, decoded))
        self._attempt("infer", lambda: looped.infer(self._expression(made.recorded)))
        self._attempt("postprocess", lambda: self._postprocess(whole, decoded))

    def _expression(self, node: ast.expr) -> str:
        found = emit.used([node])
        return ast.unparse(emit.renamed(node, emit.pretty(found, self._globals(found), [])))

    def _prologue(self, whole: Program) -> None:
        """Keep what upstream's script calls before it imports the rest, as it sets that up."""
        for line in whole.before:
            call = line.node.value if isinstance(line.node, ast.Expr) else None
            if not isinstance(call, ast.Call) or emit.local(names(call)) or not isinstance(call.func, ast.Name):
                continue
            plain = hoisting.literal_params(line, whole.params)
            found = emit.used([plain.node])
            if not all(n.endswith("§g0") or MARK not in n for n in found):
                continue
            text = ast.unparse(emit.renamed(plain.node, {n: plain_name(n) for n in found}))
            count = len(self._header().prologue)
            self._header().before_imports(call, line.where, text)
            if len(self._header().prologue) > count:
                self._globals(found)

    def _attempt(self, name: str, act: Any) -> None:
        try:
            self.parts.append(act())
            self.written.add(name)
        except CannotCut as error:
            self.why[name] = str(error)

    def _decoding(self, whole: Program, run: Run) -> Decoding:
        graph = self.checkpoint.get("graph") or {}
        known = [str(o["name"]) for o in graph.get("outputs", [])]
        structure, outputs = after.rebuilt(whole.call.facts.get("outputs"), whole.call.facts, known)
        self.sounding = sounds.spots(whole, run.events)
        drawn = after.sinks(whole, list(run.events))
        return after.decoding(whole, drawn, structure, outputs, self.shown_only, self.sounding)

    # ------------------------------------------------------------ functions
    def _preprocess(self, whole: Program, fed: Feed, decoded: Decoding | None) -> str:
        carried = decoded.carried if decoded else {}
        made = before.slice_of(whole, fed, list(carried.values()))
        end = before.result(fed, carried, bool(decoded and decoded.path))
        lines = [hoisting.literal_params(line, whole.params) for line in made.lines]
        lines, ends = emit.coalesced(lines, [end])
        helper, lines = self._hoisted(lines, ends, "prepared_before")
        body = self._body(lines, ends, ["path"])
        doc = '    """Return what the model is called with, and what decoding needs."""'
        given = ", *, checkpoint" if any(WEIGHTS in names(line.node) for line in lines) else ""
        return "\n".join([*helper, f"def preprocess(path{given}):", doc, *body])

    def _postprocess(self, whole: Program, decoded: Decoding) -> str:
        lines = [*decoded.lines, *decoded.unpacked, *decoded.rest]
        end = ast.Return(decoded.value)
        lines, ends = emit.coalesced(lines, [end])
        helper, lines = self._hoisted(lines, ends, "prepared_after")
        functions = [part for h in decoded.helpers for part in [*self._function(h), "", ""]]
        again = ['    path = ctx["path"]'] if decoded.path else []
        body = self._body(lines, ends, ["outputs", "ctx", "path", *decoded.params])
        if decoded.form == RANKED:
            body = self._ranked(body)
        self.outputs = decoded.outputs
        self.params = {name: default for name, (default, _) in decoded.params.items()}
        self.citations.update({f"params.{n}": where for n, (_, where) in decoded.params.items() if where})
        doc = '    """Return what upstream shows of the model\'s answer."""'
        head = self._signature(decoded.params)
        picture = [f"{t}\n" for n, t in PICTURES.items() if any(f"{n}(" in line for line in body)]
        if picture:
            self._header().own("np")
        if decoded.form == SOUND:
            read, needs = sounds.helper({str(facts["how"]) for facts in self.sounding.values()})
            picture = [f"{read}\n"]
            for name in needs:
                self._header().own(name)
        return "\n".join([*picture, *functions, *helper, head, doc, *again, *body])

    def _infer(self, whole: Program, fed: Feed) -> str:
        return building.infer(whole, fed, self._header())

    @staticmethod
    def _ranked(body: list[str]) -> list[str]:
        value = body[-1].removeprefix("    return ")
        return [
            *body[:-1],
            f'    top = [{{"label": str(label), "score": float(score)}} for label, score in {value}]',
            '    return {**top[0], "top": top}',
        ]

    def _signature(self, params: Mapping[str, tuple[Any, str]]) -> str:
        if not params:
            return "def postprocess(outputs, ctx):"
        lines = []
        for name, (default, where) in params.items():
            note = f"  # {emit.place(where)}" if where else ""
            lines.append(f"    {name}={default!r},{note}")
        return "\n".join(["def postprocess(", "    outputs,", "    ctx,", "    *,", *lines, "):"])

    def _header(self) -> Header:
        assert self.header is not None
        return self.header

    # ------------------------------------------------------------ text
    def _globals(self, found: list[str]) -> dict[str, str]:
        header = self._header()
        mapping = emit.own_names(found, header.own)
        for name in found:
            mark = name.split(MARK)[1] if MARK in name else ""
            if mark.startswith("g") and mark[1:].isdigit():
                mapping[name] = header.of(plain_name(name), header.files[int(mark[1:])])
            elif mark in ("p", "h"):
                mapping[name] = plain_name(name)
        return mapping

    def _body(self, lines: list[Line], ends: list[ast.AST], reserved: list[str]) -> list[str]:
        found = emit.used([*(line.node for line in lines), *ends])
        mapping = emit.pretty(found, self._globals(found), reserved)
        every = [*lines, *(Line(e, "") for e in ends if isinstance(e, ast.stmt))]
        return emit.text(every, mapping)

    def _function(self, line: Line) -> list[str]:
        found = emit.used([line.node])
        mapping = emit.pretty(found, self._globals(found), [])
        return emit.text([line], mapping, "")

    def _hoisted(self, lines: list[Line], ends: list[ast.AST], name: str) -> tuple[list[str], list[Line]]:
        """Put what does not look at the input into a function that is run once."""
        free, others = hoisting.split(lines, ends)
        if not free:
            return [], lines
        bound = set().union(*(writes(line.node) for line in free))
        read = set().union(*(names(line.node) for line in others), *(names(e) for e in ends))
        again = set().union(*(writes(line.node) for line in others if not is_setting(line.node)))
        given = [n for n in emit.used([line.node for line in free]) if n in (bound & read) - again]
        if not given:
            return [], lines
        end = ast.Return(hoisting.as_tuple(given, ast.Load()))
        asked = "checkpoint" if any(WEIGHTS in names(line.node) for line in free) else ""
        call = parse_own(f"{name}({asked})")
        taken = ast.Assign(targets=[hoisting.as_tuple(given, ast.Store())], value=call, lineno=1)
        self._header().own("functools")
        body = self._body(free, [end], [])
        doc = '    """Make, once, what does not depend on the input."""'
        text = ["@functools.lru_cache(maxsize=None)", f"def {name}({asked}):", doc, *body, "", ""]
        return text, [Line(ast.fix_missing_locations(taken), ""), *others]

    def draft(self, why: Mapping[str, str]) -> Draft:
        """Give the draft."""
        header = self._header()
        top = [self._docstring(), header.text()]
        if header.source:
            top.append(f'SOURCE = Path(__file__).resolve().parent.parent / "refs" / "{self.tree}"')
        fitted = [
            ("\n".join(layout.fitted(text, emit.WIDE) if "\n" not in text else [text]), where)
            for text, where in header.copies.values()
        ]
        copies = [f"{text}  # {emit.place(where)}" if "\n" not in text else f"# {emit.place(where)}\n{text}"
                  for text, where in fitted]  # fmt: skip
        blocks = ["\n\n".join(t for t in top if t), *copies, *self.parts]
        text = "\n\n\n".join(blocks) + "\n"
        functions = {name: name in self.written for name in FUNCTIONS}
        reasons = {**why, **self.why}
        return Draft(
            text,
            functions,
            self.params,
            self.citations,
            reasons,
            self.inputs,
            self.outputs,
            sorted(header.roots),
            self.many,
        )

    def _docstring(self) -> str:
        said = f" {self.source}" if self.source else ""
        lines = [
            f'"""How {self.tree} is used, as upstream\'s own run showed it.'
            if self.watched
            else f'"""How {self.tree} is built.',
            "",
            f"Written by assay from a watched run of upstream's{said or ' entrypoint'}."
            if self.watched
            else f"Written by assay from{said or ' its weights'}.",
            'What stands behind a # is the place of upstream\'s that a line was taken from.\n"""',
        ]
        return "\n".join(lines)


PICTURES = {
    "as_picture": '''def as_picture(image, bgr):
    """Return a picture as an array of bytes, red first."""
    array = np.clip(np.rint(image) if bgr else np.asarray(image), 0, 255).astype(np.uint8)  # cv2 rounds
    return array[..., ::-1] if bgr and array.ndim == 3 else array
''',
    "saved_picture": '''def saved_picture(image):
    """Return the bytes that torchvision's save_image writes of a picture in 0..1, the first of a batch."""
    array = np.asarray(image)
    array = array[0] if array.ndim == 4 else array[None] if array.ndim == 2 else array
    array = np.repeat(array, 3, axis=0) if len(array) == 1 else array
    return np.clip(array * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
''',
}


def _special(whole: Program, fed: Feed) -> bool:
    """Tell whether the model is called otherwise than with its tensors alone."""
    facts = whole.call.facts
    if facts.get("module") == "session":
        return False
    plain = [s for s in [*fed.shape, *fed.keywords.values()] if isinstance(s, dict)]
    named = bool(fed.keywords)
    other = facts.get("method") not in ("forward", "__call__", "", None)
    return bool(plain) or named or other or after.is_nested(facts.get("outputs"))
