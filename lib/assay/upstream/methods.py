"""What the methods of modules, lists, tables and texts do when a constructor calls them in the abstract."""

from typing import TYPE_CHECKING, Any

from assay.upstream.abstract import UNKNOWN, Items, Node, Pattern, Tensor, one, opened, plain
from assay.upstream.evaluate import filled, spread
from assay.upstream.library import construct, is_part, named

if TYPE_CHECKING:
    from assay.upstream.building import Builder

ITSELF = {
    "cuda", "cpu", "to", "eval", "train", "half", "float", "apply", "requires_grad_", "double", "copy", "clone",
    "detach", "type", "bfloat16",
}  # fmt: skip
METHODS = ITSELF | {
    "append", "extend", "insert", "add_module", "register_module", "register_buffer", "register_parameter", "children",
    "named_children", "modules", "update", "items", "keys", "values", "__init__", "__setattr__", "get", "pop",
}  # fmt: skip


def method(builder: "Builder", owner: Any, name: str, args: Items, kwargs: "dict[str, Any]", maybe: bool) -> Any:
    """Call a method of a module from outside, or of a plain value."""
    if isinstance(owner, Node):
        return _of_node(builder, owner, name, args, kwargs, maybe)
    if isinstance(owner, str):
        return _of_text(owner, name, args, kwargs)
    if isinstance(owner, dict):
        return _of_table(owner, name, args, kwargs)
    if isinstance(owner, Items):
        return _of_list(owner, name, args, maybe)
    return UNKNOWN


def _of_node(builder: "Builder", node: Node, name: str, args: Items, kwargs: "dict[str, Any]", maybe: bool) -> Any:
    if name in ITSELF:
        return node
    if name == "super __init__":
        construct(builder, node, args, kwargs)
    elif name in ("add_module", "register_module", "register_buffer", "register_parameter", "__setattr__"):
        _registered(node, name, args, kwargs, maybe)
    elif name in ("append", "extend", "update") and args:
        _grown(node, name, args[0], maybe)
    elif not node.open:
        return _children(node, name)
    return UNKNOWN


def _grown(node: Node, name: str, given: Any, maybe: bool) -> None:
    if name == "append":
        node.grow(given, maybe)
    elif name == "update":
        for key, value in given.items() if isinstance(given, dict) else ():
            node.put(str(key), value, maybe)
    else:
        values = spread(given)
        for value in values:
            node.grow(value, maybe)
        for value in values.rest:
            node.grow(value, maybe=True)


def _children(node: Node, name: str) -> Any:
    if name in ("children", "values", "modules"):
        return node.elements()
    if name in ("named_children", "items"):
        return Items((key, one(nodes)) for key, nodes in node.children.items())
    return Items(node.children) if name == "keys" else UNKNOWN


def _registered(node: Node, method: str, args: Items, kwargs: "dict[str, Any]", maybe: bool) -> None:
    given = dict(zip(("name", "value", "persistent"), args))
    given.update({{"module": "value", "tensor": "value", "param": "value"}.get(k, k): v for k, v in kwargs.items()})
    value = given.get("value", UNKNOWN)
    if given.get("persistent") is False or value is None:
        return
    if method in ("register_buffer", "register_parameter"):
        value = Tensor(value.shape if isinstance(value, Tensor) else None, kept=True)
    if method in ("add_module", "register_module") and not is_part(value):
        value = opened()
    node.put(named(given.get("name", UNKNOWN)), value, maybe)


def _of_text(text: str, name: str, args: Items, kwargs: "dict[str, Any]") -> Any:
    if name == "format":
        return filled(text, list(args), kwargs)
    if name == "join" and args:
        parts = spread(args[0])
        known = not parts.rest and all(isinstance(p, str) and not isinstance(p, Pattern) for p in parts)
        return text.join(parts) if known else Pattern(".*")
    safe = ("lower", "upper", "strip", "split", "startswith", "endswith", "replace", "rstrip", "lstrip", "isdigit")
    if name in safe and plain(list(args)) and not isinstance(text, Pattern) and len(text) < 10_000:
        try:
            found = getattr(text, name)(*args)
        except (TypeError, ValueError):
            return UNKNOWN
        return Items(found) if isinstance(found, list) else found
    return UNKNOWN


def _of_table(table: "dict[Any, Any]", name: str, args: Items, kwargs: "dict[str, Any]") -> Any:
    if name in ("get", "pop", "setdefault") and args and isinstance(args[0], (str, int)):
        return table.get(args[0], args[1] if len(args) > 1 else None)
    if name == "items":
        return Items(table.items())
    if name in ("keys", "values"):
        return Items(getattr(table, name)())
    if name == "update":
        for more in [*args, kwargs]:
            table.update(more if isinstance(more, dict) else {})
        return None
    return dict(table) if name == "copy" else UNKNOWN


def _of_list(values: Items, name: str, args: Items, maybe: bool) -> Any:
    if name == "append" and args:
        values.add(args[0], maybe)
    elif name == "extend" and args:
        more = spread(args[0])
        for value in more:
            values.add(value, maybe)
        for value in more.rest:
            values.add(value, maybe=True)
    elif name == "insert" and len(args) == 2 and isinstance(args[0], int) and not maybe:
        values.insert(args[0], args[1])
    elif name == "pop":
        place = args[0] if args and isinstance(args[0], int) else -1
        return values.pop(place) if not maybe and -len(values) <= place < len(values) else UNKNOWN
    elif name == "copy":
        return Items(values, values.rest)
    elif name == "index" and args and args[0] in values:
        return values.index(args[0])
    return None if name in ("append", "extend", "insert") else UNKNOWN
