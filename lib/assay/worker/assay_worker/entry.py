"""Upstream's own way in, run as it would be by hand: a script as __main__, or a snippet of its documentation."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from types import CodeType, ModuleType
from typing import Any, Dict, List

from assay_worker.choosing import WEIGHTS, kind
from assay_worker.faults import Fault
from assay_worker.tree_copy import full
from assay_worker.watching import Watch

RELATIVE = re.compile(r"^\s*from\s+\.", re.MULTILINE)
WRITES = re.compile(r"save|write|export|out|dump|dest", re.IGNORECASE)
PATH = re.compile(r"[\w./@~+-]+")
PROMPT = re.compile(r"^\s*(>>>|\.\.\.) ?")


def run(watch: Watch, roots: List[str]) -> None:
    """Run the entry in the copy of the tree."""
    request, tree = watch.request, watch.tree
    folder = os.path.join(tree.root, request.get("cwd") or "")
    if not os.path.isdir(folder):
        raise Fault("refused", f"the tree has no folder {request.get('cwd')}")
    os.chdir(folder)
    entry = request["entry"]
    argv = [_word(watch, str(word)) for word in request.get("argv") or []]
    if "script" in entry:
        _script(watch, entry["script"], argv, roots)
    else:
        _snippet(watch, entry["snippet"], argv, roots)


def folders(watch: Watch) -> List[str]:
    """List where the entry's own imports are looked for first: beside a script, or where it is started."""
    started = os.path.join(watch.tree.root, watch.request.get("cwd") or "")
    script = watch.request["entry"].get("script")
    return [os.path.dirname(os.path.join(watch.tree.root, script)) if script else started]


def _word(watch: Watch, word: str) -> str:
    tree = watch.tree
    known = {"@input": tree.given, "@checkpoint": tree.checkpoint, "@inputdir": tree.folder, "@out": tree.out}
    known["@tree"] = tree.root
    head, equals, tail = word.partition("=")
    if equals and tail.startswith("@"):
        return f"{head}={_word(watch, tail)}"
    first, slash, rest = word.partition("/")
    return known[first] + slash + rest if first in known else word


def _main(file: str, roots: List[str], first: str, argv: List[str]) -> ModuleType:
    main = ModuleType("__main__")
    main.__file__ = file
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    sys.path[:0] = list(dict.fromkeys([first, *roots]))
    sys.argv = argv
    return main


def _script(watch: Watch, script: str, argv: List[str], roots: List[str]) -> None:
    path = os.path.join(watch.tree.root, script)
    if not os.path.isfile(path):
        raise Fault("refused", f"the tree has no script {script}")
    with open(path, "rb") as file:
        source = file.read()
    shown = os.path.relpath(path)
    main = _main(path, roots, os.path.dirname(path), [shown, *argv])
    package = os.path.dirname(script).replace("/", ".")
    if package and RELATIVE.search(source.decode("utf-8", "replace")):
        main.__package__ = package  # as python -m would
        sys.path.insert(0, watch.tree.root)
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def _snippet(watch: Watch, snippet: Dict[str, Any], argv: List[str], roots: List[str]) -> None:
    """Run a snippet statement by statement; what one is worth that stands alone is what a reader would see."""
    inner = str(snippet["path"]).partition("/")[2] or str(snippet["path"])
    file = os.path.join(watch.tree.root, f"{inner}#{snippet['line']}")
    main = _main(file, roots, os.getcwd(), ["", *argv])
    watch.source = source(str(snippet["text"]))
    parsed = ast.parse(watch.source, file)
    _put_samples(watch, parsed)
    try:
        for node in parsed.body:
            if isinstance(node, ast.Expr):
                value = eval(_compiled(ast.Expression(node.value), file, "eval"), main.__dict__)
                if value is not None:
                    watch.event({"is": "sink", "how": "shown", "args": [watch.plain(value)], "kwargs": {}})
            else:
                exec(_compiled(ast.Module([node], []), file, "exec"), main.__dict__)
    finally:
        watch.after = watch.locals(main.__dict__)


def _put_samples(watch: Watch, parsed: ast.Module) -> None:
    """Put the input where a snippet names a sample that is not there, save what it writes."""
    written = [n for n in ast.walk(parsed) if isinstance(n, ast.Call) and WRITES.search(ast.dump(n.func))]
    kept = {id(one) for call in written for one in ast.walk(call)}
    kept |= {id(one) for n in ast.walk(parsed) if isinstance(n, ast.keyword) and WRITES.search(n.arg or "")
             for one in ast.walk(n)}  # fmt: skip
    texts = [n.value for n in ast.walk(parsed) if isinstance(n, ast.Constant) and id(n) not in kept]
    missing = [text for text in dict.fromkeys(texts) if isinstance(text, str) and _is_missing(watch, text)]
    for text in missing:
        # The only file that is not there is the input, of whatever kind; of several those of its kind are.
        if len(missing) == 1 or kind(text) == kind(watch.tree.given):
            _put_sample(watch, text)


def _is_missing(watch: Watch, text: str) -> bool:
    named = PATH.fullmatch(text) and os.path.splitext(text)[1] and not WEIGHTS.search(text)
    path = full(text) or ""
    return bool(named and watch.tree.given and watch.tree.inner(path)) and not os.path.exists(path)


def _put_sample(watch: Watch, text: str) -> None:
    path = full(text) or ""
    with watch.inside():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(watch.tree.given, path)  # no link: upstream's code may write there
    watch.tree.aliases.add(path)
    watch.intervene(f"there is no {text!r}: the given input is put there")


def source(text: str) -> str:
    """Take a snippet's prompts away with what was printed between them, and what only a notebook knows."""
    lines = text.splitlines()
    if any(line.lstrip().startswith(">>>") for line in lines):
        lines = [PROMPT.sub("", line) if PROMPT.match(line) else "" for line in lines]
    return "\n".join("" if line.lstrip().startswith(("!", "%")) else line for line in lines)


def _compiled(node: Any, file: str, mode: str) -> CodeType:
    found: CodeType = compile(node, file, mode, dont_inherit=True)
    return found
