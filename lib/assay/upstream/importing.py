"""Every import of a Python file, and how much depends on it; the file is parsed, never run."""

import ast
import warnings
from collections import Counter
from collections.abc import Iterator

from assay.envs.names import SHARED
from assay.records import Import

HARD, LAZY, OPTIONAL, TYPING, MAIN, DYNAMIC, COMPUTED = (
    "hard", "lazy", "optional", "typing", "main", "dynamic", "computed",
)  # fmt: skip
WEAKER = (HARD, MAIN, LAZY, OPTIONAL, TYPING)  # of two guards around an import the later one here counts
CATCHING = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
LEAVING = {"exit", "quit", "_exit"}
IMPORTERS = {"import_module", "__import__"}

Block = tuple[list[ast.stmt], str]


def read(text: str) -> "tuple[list[Import], str]":
    """List the imports of a file; of one that is no Python 3, say why instead."""
    tree, broken = parsed(text)
    return (imports(tree, text), "") if tree else ([], broken)


def parsed(text: str) -> "tuple[ast.Module | None, str]":
    """Parse a file; of one that is no Python 3, say why instead."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), ""
    except SyntaxError as error:
        return None, f"not Python 3: line {error.lineno or 1}"
    except (ValueError, RecursionError, MemoryError):
        return None, "Python that cannot be parsed"


def imports(tree: ast.Module, text: str) -> "list[Import]":
    """List the imports of a parsed file."""
    found = list(_statements(tree.body))
    if any(name in text for name in IMPORTERS):
        found += _calls(tree)
    return sorted(found, key=lambda i: i.line)


def _statements(body: "list[ast.stmt]") -> "Iterator[Import]":
    """Walk the statements with a stack of our own: a long chain of elif is nested as deep as it is long."""
    waiting: list[Block] = [(body, HARD)]
    while waiting:
        statements, kind = waiting.pop()
        for node in statements:
            if isinstance(node, ast.Import):
                yield from (Import(module=a.name, names=[], line=node.lineno, kind=kind) for a in node.names)
            elif isinstance(node, ast.ImportFrom):
                module, names = "." * node.level + (node.module or ""), [a.name for a in node.names]
                yield Import(module=module, names=names, line=node.lineno, kind=kind)
            else:
                yield from (Import(module=m, names=[], line=line, kind=kind) for m, line in _either_way(node))
                waiting += [(block, _weaker(kind, guard)) for block, guard in _blocks(node) if block]


def _weaker(*kinds: str) -> str:
    return max(kinds, key=WEAKER.index)


def _blocks(node: ast.stmt) -> "list[Block]":
    """Give the statements inside a statement, each list with what it makes of an import."""
    if isinstance(node, ast.If):
        return _branches(node)
    if hasattr(node, "handlers"):  # Try, and TryStar of Python 3.11
        return _attempts(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [(node.body, LAZY)]
    if isinstance(node, ast.Match):
        return [(case.body, LAZY) for case in node.cases]
    body, orelse = getattr(node, "body", []), getattr(node, "orelse", [])
    suppressed = isinstance(node, ast.With) and any(_suppresses(item.context_expr) for item in node.items)
    return [(body, OPTIONAL if suppressed else HARD), (orelse, HARD)]


def _branches(node: ast.If) -> "list[Block]":
    test, (body, orelse) = node.test, (node.body, node.orelse)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, (body, orelse) = test.operand, (orelse, body)
    if "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", "")):
        return [(body, TYPING), (orelse, HARD)]
    if _asks_for_main(test):
        return [(body, MAIN), (orelse, HARD)]
    return [(body, LAZY), (orelse, LAZY)]


def _asks_for_main(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    words = {getattr(side, "id", None) or getattr(side, "value", None) for side in sides}
    return words == {"__name__", "__main__"}


def _attempts(node: ast.AST) -> "list[Block]":
    """Sort the blocks of a try: what it catches is optional, and so is what stands in for it."""
    handlers: list[ast.ExceptHandler] = getattr(node, "handlers", [])
    first = _first_to_catch(node)
    guard = OPTIONAL if first is not None and not _leaves(first.body) else HARD
    blocks: list[Block] = [(handler.body, OPTIONAL) for handler in handlers]
    fields = (("body", guard), ("orelse", guard), ("finalbody", HARD))
    return [*blocks, *((getattr(node, field, []), kind) for field, kind in fields)]


def _first_to_catch(node: ast.AST) -> "ast.ExceptHandler | None":
    return next((handler for handler in getattr(node, "handlers", []) if _catches(handler)), None)


def _either_way(node: ast.AST) -> "Iterator[tuple[str, int]]":
    """Give the packages that a try and what stands in for it both import from: one of the two always does."""
    handler = _first_to_catch(node)
    if handler is not None:
        asked = {part for module, _ in _direct(getattr(node, "body", [])) for part in _packages(module)}
        for module, line in _direct(handler.body):
            common = next((part for part in _packages(module) if part in asked), "")
            if common and common not in SHARED:
                yield common, line


def _packages(module: str) -> "Iterator[str]":
    """Give a dotted name and the packages around it, outwards."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def _direct(body: "list[ast.stmt]") -> "Iterator[tuple[str, int]]":
    """List the modules that these statements themselves import, not by dots."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno


def _catches(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or bool(_words(handler.type) & CATCHING)


def _words(node: ast.AST) -> "set[str]":
    return {getattr(n, "id", "") or getattr(n, "attr", "") for n in ast.walk(node)}


def _leaves(body: "list[ast.stmt]") -> bool:
    """Tell whether a handler raises or exits itself; what it defines for later, or tries again, does not count."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _called(node) in LEAVING):
            return True
        apart = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        if not isinstance(node, apart) and not hasattr(node, "handlers"):
            waiting += ast.iter_child_nodes(node)
    return False


def _suppresses(context: ast.expr) -> bool:
    if not (isinstance(context, ast.Call) and _called(context) == "suppress"):
        return False
    return any(_words(argument) & CATCHING for argument in context.args)


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", "") or getattr(call.func, "id", ""))


def _calls(tree: ast.Module) -> "Iterator[Import]":
    once = _assigned_once(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in IMPORTERS and node.args:
            given = node.args[0]
            name, whole = _beginning(once.get(given.id, given) if isinstance(given, ast.Name) else given)
            kind = DYNAMIC if whole and name else COMPUTED
            yield Import(module=_absolute(name, node), names=[], line=node.lineno, kind=kind)


def _assigned_once(tree: ast.Module) -> "dict[str, ast.expr]":
    """Give the values of the names that a file binds in one place only, whatever the scope."""
    bound: Counter[str] = Counter()
    values: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound[node.id] += 1
        elif isinstance(node, ast.arg):
            bound[node.arg] += 1
        else:  # what is imported, defined, caught or matched
            bound[getattr(node, "asname", None) or getattr(node, "name", None) or ""] += 1
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        if value is not None and len(targets) == 1 and isinstance(targets[0], ast.Name):
            values[targets[0].id] = value
    return {name: value for name, value in values.items() if bound[name] == 1}


def _absolute(name: str, call: ast.Call) -> str:
    """Put a literal package before a name that begins with one dot."""
    given = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "package")]
    package = given[0].value if given and isinstance(given[0], ast.Constant) else None
    return f"{package}{name}" if isinstance(package, str) and name[:1] == "." != name[1:2] else name


def _beginning(value: ast.expr) -> "tuple[str, bool]":
    """Give what is literal at the start of a text, and whether that is all of it."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value, True
    if isinstance(value, ast.JoinedStr) and value.values:
        return _formatted(value.values), False
    if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Mod)):
        text = _leftmost(value)
        return (text.partition("%")[0] if isinstance(value.op, ast.Mod) else text), False
    if isinstance(value, ast.Call) and _called(value) == "format" and isinstance(value.func, ast.Attribute):
        return _leftmost(value.func.value).partition("{")[0], False
    if isinstance(value, ast.Call) and _called(value) == "join" and isinstance(value.func, ast.Attribute):
        return _joined(value.func.value, value.args)
    return "", False


def _joined(separator: ast.expr, given: "list[ast.expr]") -> "tuple[str, bool]":
    """Give the literal start of `".".join([...])`."""
    between, parts = getattr(separator, "value", None), getattr(given[0], "elts", []) if given else []
    texts, whole = [], bool(parts)
    for part in parts if isinstance(between, str) else []:
        text, whole = _beginning(part)
        texts.append(text)
        if not whole:
            break
    return str(between).join(texts), whole and bool(texts)


def _formatted(values: "list[ast.expr]") -> str:
    """Give the literal start of an f-string; one that begins with the package's own name is a relative one."""
    first = values[0]
    if isinstance(first, ast.FormattedValue) and _words(first.value) & {"__name__", "__package__"}:
        return _beginning(values[1])[0] if len(values) > 1 else ""
    return _beginning(first)[0]


def _leftmost(value: ast.expr) -> str:
    while isinstance(value, ast.BinOp):
        value = value.left
    return _beginning(value)[0] if isinstance(value, (ast.Constant, ast.JoinedStr)) else ""
