"""The drafted build and infer: the model made as the match or upstream's run says, and called as upstream calls it."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from assay.drafts import emit, layout, seen
from assay.drafts.before import Feed
from assay.drafts.cut import CannotCut, place
from assay.drafts.flow import Line
from assay.drafts.header import Header
from assay.drafts.program import Program
from assay.drafts.seen import Event, Run

PRETRAINED = re.compile(r"^pre_?train(ed)?$|^imagenet$|^download$")
GRAPHS = ("onnx", "torchscript", "pt2")


class Made(NamedTuple):
    """A call that makes the model: its imported name, its arguments, and where that is known from."""

    name: str
    args: list[tuple[str, str, str]]  # name, or "" by place; text; where
    take: str = ""
    part: str = ""
    strip: str = ""
    strict: bool = True


class Built(NamedTuple):
    """The text of build, or why there is none."""

    text: str
    why: str
    citations: dict[str, str]
    construction: str = ""  # the statement that makes the model


def build(checkpoint: Mapping[str, Any], match: Mapping[str, Any] | None, runs: list[Run], header: Header) -> Built:
    """Write build; a graph needs none."""
    if format_of(checkpoint) in GRAPHS:
        return Built("", "", {})
    best = (match or {}).get("best")
    trusted = bool((match or {}).get("trusted") or checkpoint.get("trusted"))
    pickled = [w for w in checkpoint.get("wrapper", []) if "a pickled " in w]
    try:
        observed = _observed(runs)
        if best:
            _agree(best, observed, runs)
            made = _matched(best, observed_arguments(best, observed), header)
        elif observed is not None:
            made = _seen(observed, runs, header)
        elif pickled and trusted:
            return _whole(pickled[0], header)
        else:
            return Built("", "no class was matched, and none was seen to be made", {})
    except CannotCut as error:
        return Built("", str(error), {})
    return _written(made, checkpoint, header)


def format_of(checkpoint: Mapping[str, Any]) -> str:
    """Name the checkpoint's format, of a record or of a request."""
    named = checkpoint.get("format", "")
    return str(named.get("name", "")) if isinstance(named, Mapping) else str(named)


# ---------------------------------------------------------------- who says how it is made
def _observed(runs: list[Run]) -> Event | None:
    """Find the construction of the model that upstream called."""
    if not runs or not seen.calls(runs[0]):
        return None
    wanted = seen.loaded(runs[0]) or {str(seen.calls(runs[0])[0].facts.get("module"))}
    found = [
        e
        for e in runs[0].events
        if e.kind == "construct" and e.facts.get("id") in wanted and e.facts["class"].get("file")
    ]
    return found[0] if found else None


def _agree(best: Mapping[str, Any], observed: Event | None, runs: list[Run]) -> None:
    """Refuse a match that upstream's own run contradicts."""
    if observed is None or best.get("kind") == "factory":
        return
    name = str(observed.facts["class"]["qualname"])
    if name.split(".")[-1] != str(best["qualname"]).split(".")[-1]:
        raise CannotCut(f"upstream's run made a {name}, the weights match {best['qualname']}")


def observed_arguments(best: Mapping[str, Any], observed: Event | None) -> dict[str, tuple[str, str]]:
    """Give what upstream's own run passed to the matched class or factory: the text of each value, and where."""
    if observed is None:
        return {}
    name, path = str(best["qualname"]), str(best.get("path", ""))
    places = [f for f in observed.facts.get("factories", []) if f["qualname"] == name and f["file"] == path]
    if str(observed.facts["class"]["qualname"]) == name:
        where = f"{observed.steps[-1].file}:{observed.steps[-1].span.line}" if observed.steps else ""
        places = [{"args": observed.facts.get("args", {}), "where": where}]
    given = places[0]["args"] if places else {}
    texts = {key: seen.expression(_unfetched(key, value)) for key, value in given.items() if not key.startswith("*")}
    return {key: (ast.unparse(text), str(places[0]["where"])) for key, text in texts.items() if text is not None}


def seen_arguments(best: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Give what the first of several watched runs passed to the matched class or factory."""
    read = [seen.run_of(r) for r in runs if r.get("frames")]
    return observed_arguments(best, _observed(read))


def seen_class(runs: Sequence[Mapping[str, Any]]) -> str:
    """Name the class that the first of several watched runs made for the checkpoint, with its file: tree/path:name."""
    made = _observed([seen.run_of(r) for r in runs if r.get("frames")])
    return f"{made.facts['class']['file']}:{made.facts['class']['qualname']}" if made is not None else ""


def literal(text: str) -> Any:
    """Give the plain value of an expression; ... when it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ...


def _matched(best: Mapping[str, Any], passed: Mapping[str, tuple[str, str]], header: Header) -> Made:
    """Make it as the match does; where no shape could tell a value, as upstream's own run does."""
    name = _imported(str(best["module"]), str(best["qualname"]), str(best.get("path", "")), header)
    args = []
    for one in best.get("args", []):
        key, proved = str(one["name"]), one.get("identified") is True
        if not proved and key in passed and seen.OWN not in passed[key][0]:
            text, where = passed[key]
            args.append((key, "str(device)" if text == "'cpu'" and key.endswith("device") else text, where))
        elif one.get("passed", True):
            args.append((key, _argument(one, best, header), str(one.get("where", ""))))
    strict = not best.get("missing") and not best.get("unexpected")
    return Made(name, args, best.get("take", ""), best.get("part", ""), best.get("strip", ""), strict)


def _imported(module: str, qualname: str, path: str, header: Header) -> str:
    if "<locals>" in qualname:
        raise CannotCut(f"{qualname.rpartition('.')[2]} is defined inside {qualname.partition('.')[0]}")
    first, *rest = qualname.split(".")
    return ".".join([header.import_from(module, first, path), *rest])


def _argument(argument: Mapping[str, Any], best: Mapping[str, Any], header: Header) -> str:
    value, form = argument["value"], argument.get("form", "")
    if form == "code":
        tree = ast.parse(str(value), mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = header.of(node.id, str(best["path"]))
        return ast.unparse(tree)
    if form == "tuple" and isinstance(value, list):
        return repr(tuple(value))
    return repr(value)


def _seen(observed: Event, runs: list[Run], header: Header) -> Made:
    facts = observed.facts["class"]
    name = _imported(str(facts["module"]), str(facts["qualname"]), str(facts["file"]), header)
    where = f"{observed.steps[-1].file}:{observed.steps[-1].span.line}" if observed.steps else ""
    args = []
    given = dict(observed.facts.get("args", {}))
    for value in (given.pop("*args", {}) or {}).get("tuple", []):
        args.append(("", _plain(value, "an argument", header), where))
    given.update(given.pop("**kwargs", {}) or {})
    args += [(key, _plain(_unfetched(key, value), key, header), where) for key, value in given.items()]
    loads = [e for e in runs[0].events if e.kind == "load" and e.facts.get("into") == observed.facts["id"]]
    strict = all(e.facts.get("strict", True) for e in loads)
    return Made(name, args, strict=strict)


def _unfetched(name: str, value: Any) -> Any:
    """Let no other weights be fetched: the checkpoint's own are loaded."""
    if not PRETRAINED.search(name) or not value:
        return value
    return False if value is True else None if isinstance(value, str) else value


def _plain(value: Any, name: str, header: Header) -> str:
    reference = seen.special(value, "object")
    if reference is not None:
        module, _, qualname = str(reference).partition(":")
        return _imported(module, qualname, "", header)
    made = seen.expression(value)
    if made is None:
        raise CannotCut(f"the argument {name} of the model is no plain value: {value}")
    for node in ast.walk(made):
        if isinstance(node, ast.Name) and node.id.endswith(seen.OWN):
            node.id = header.own(node.id.removesuffix(seen.OWN))
    return ast.unparse(made)


def statement(program: Program, runs: list[Run]) -> Line:
    """Find the statement of upstream's that made the model, now bound to `model`."""
    observed = _observed(runs)
    spans = [s.span for s in observed.steps] if observed is not None else []
    places = {s if s.col is not None else s.line for s in spans}
    for line in program.before:
        node = line.node
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        call = node.value
        if (
            isinstance(call, ast.Call)
            and {place(call), call.lineno} & places
            and program.values.is_model(node.targets[0].id)
        ):
            made = ast.Assign(targets=[ast.Name("model", ast.Store())], value=call, lineno=node.lineno)
            return Line(ast.fix_missing_locations(ast.copy_location(made, node)), line.where)
    raise CannotCut("no statement of the script makes it")


def loading(checkpoint: Mapping[str, Any], header: Header) -> list[str]:
    """Write build's head, and the lines that load the weights into `model`."""
    header.own("torch")
    safe = not checkpoint.get("trust")
    state = _loading(checkpoint) if safe else ["    state = weights  # its numbers alone: nothing of the file is run"]
    end = ["    model.load_state_dict(state)", "    return model.to(device).eval()"]
    given = "checkpoint, device" if safe else "checkpoint, device, weights"
    return [f"def build(*, {given}):", *state, *_unwrapped(Made("", []), checkpoint, safe), *end]


# ---------------------------------------------------------------- text
def _whole(pickled: str, header: Header) -> Built:
    header.own("torch")
    part = pickled.split(": ")[0] if ": " in pickled else ""
    header.reachable(pickled.split("a pickled ")[-1].rpartition(".")[0])
    lines = [
        "def build(*, checkpoint, device):",
        '    """Return the model, which the checkpoint holds whole."""',
        "    # its class is run to read it: the checkpoint is trusted",
        f"    model = torch.load(checkpoint, map_location=device, weights_only=False){_keys(part)}",
        "    return model.to(device).eval()",
    ]
    return Built("\n".join(lines), "", {})


def _written(made: Made, checkpoint: Mapping[str, Any], header: Header) -> Built:
    header.own("torch")
    safe = not checkpoint.get("trust")
    given = "checkpoint, device" if safe else "checkpoint, device, weights"
    lines = [
        f"def build(*, {given}):",
        '    """Return the model with its weights, ready to run."""',
        *_construction(made),
    ]
    lines += _loading(checkpoint) if safe else ["    state = weights  # its numbers alone: nothing of the file is run"]
    lines += _unwrapped(made, checkpoint, safe)
    lines.append(f"    model.load_state_dict(state{'' if made.strict else ', strict=False'})")
    lines.append("    return model.to(device).eval()")
    citations = {f"model.args.{name}": where for name, _, where in made.args if name and where}
    return Built("\n".join(lines), "", citations, textwrap.dedent("\n".join(_construction(made))))


def _construction(made: Made) -> list[str]:
    if not made.args:
        return [f"    model = {made.name}(){made.take}"]
    lines = [f"    model = {made.name}("]
    for name, text, where in made.args:
        note = f"  # {emit.place(where)}" if where else ""
        lines.append(f"        {f'{name}=' if name else ''}{text},{note}")
    return [*lines, f"    ){made.take}"]


def _loading(checkpoint: Mapping[str, Any]) -> list[str]:
    if format_of(checkpoint) == "safetensors":
        return [
            "    from safetensors.torch import load_file",
            "",
            "    state = load_file(checkpoint, device=str(device))",
        ]
    return ["    state = torch.load(checkpoint, map_location=device, weights_only=True)"]


def _unwrapped(made: Made, checkpoint: Mapping[str, Any], safe: bool) -> list[str]:
    """Take the weights out of what stands around them."""
    wrapper = [str(w) for w in checkpoint.get("wrapper", [])]
    part = made.part or next(
        (w.split(": ")[0] for w in wrapper if not w.startswith("a pickled") and w != "module."), ""
    )
    strip = made.strip or next((w.split(": ")[-1] for w in wrapper if w.endswith("module.")), "")
    lines = [f"    state = state{_keys(part)}"] if part and safe else []
    if checkpoint.get("leftovers") and not part and safe:
        lines.append("    state = {k: v for k, v in state.items() if torch.is_tensor(v)}  # it holds more than weights")
    if strip:
        size = len(strip)
        lines.append(f"    # {strip!r} stands before every name")
        lines.append(f"    state = {{k[{size}:] if k.startswith({strip!r}) else k: v for k, v in state.items()}}")
    return lines


def _keys(part: str) -> str:
    return "".join(f'["{key}"]' for key in part.split(".") if key)


# ---------------------------------------------------------------- infer
def infer(whole: Program, fed: Feed, header: Header) -> str:
    """Write infer: the call of the model as upstream makes it, on the model's device."""
    header.own("torch")
    facts = whole.call.facts
    arguments = [_given(a, header) for a in fed.shape] + [f"{k}={_given(v, header)}" for k, v in fed.keywords.items()]
    method = str(facts.get("method") or "forward")
    called = "model" if method in ("forward", "__call__") else f"model.{method}"
    piece = whole.pieces[-1]
    lines = [
        "def infer(model, tensors):",
        '    """Call the model as upstream does."""',
        "    device = next(model.parameters()).device",
        "    with torch.inference_mode():",
    ]
    call = f"        answer = {called}({', '.join(arguments)})"
    where = f"  # {piece.step.file.partition('/')[2]}:{piece.hole.lineno}"
    broken = layout.fitted(call, emit.WIDE - len(where))
    lines += [f"{call}{where}"] if len(broken) == 1 else [f"        {where.strip()}", *broken]
    return "\n".join([*lines, *_flat(facts.get("outputs"))])


def _given(argument: Any, header: Header) -> str:
    if isinstance(argument, str):
        return _tensor(argument)
    if "nested" in argument:
        return _packed(argument["nested"])
    return _plain(argument["value"], "of the call", header)


def _tensor(name: str) -> str:
    return f"torch.from_numpy(tensors[{name!r}]).to(device)"


def _packed(parts: Any) -> str:
    """Write tensors in a tuple, list or dict as the model is given them."""
    if isinstance(parts, str):
        return _tensor(parts)
    if isinstance(parts, dict):
        return "{" + ", ".join(f"{key!r}: {_packed(part)}" for key, part in parts.items()) + "}"
    inner = ", ".join(map(_packed, parts))
    if isinstance(parts, list):
        return f"[{inner}]"
    return f"({inner},)" if len(parts) == 1 else f"({inner})"


def _flat(outputs: Any) -> list[str]:
    """Write a nested answer as arrays by name."""
    places = list(flat_places(outputs, ""))
    if len(places) == 1 and not places[0]:
        return ['    return {"output": answer}']
    names = ["output" if not i else f"output{i}" for i in range(len(places))]
    pairs = [f"        {name!r}: answer{place}," for name, place in zip(names, places)]
    return ["    return {", *[p.replace("'", '"') for p in pairs], "    }"]


def flat_places(value: Any, place: str) -> list[str]:
    """Give where each tensor lies in a nested answer."""
    if isinstance(value, dict) and "tensor" in value:
        return [place]
    inner = value.get("tuple", value) if isinstance(value, dict) else value
    if isinstance(inner, list):
        return [p for i, v in enumerate(inner) for p in flat_places(v, f"{place}[{i}]")]
    if isinstance(inner, dict) and not set(inner) & seen.MARKS:
        return [p for k, v in inner.items() for p in flat_places(v, f"{place}[{k!r}]")]
    raise CannotCut("the model's answer holds more than tensors")
