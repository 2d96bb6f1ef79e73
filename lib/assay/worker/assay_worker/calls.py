"""One call of a model: what it is given and gives, and what upstream's functions hold at the first."""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Tuple

from assay_worker.watching import MOST_CALLS, Stop, Watch


def called(
    watch: Watch,
    module: str,
    method: str,
    main: bool,
    act: Callable[[], Any],
    args: Tuple[Any, ...],
    kwargs: Dict[str, Any],
    within: str = "",
) -> Any:
    """Make a call and record it; `main` tells that it is one of the model with the checkpoint."""
    event = begun(watch, module, method, main, args, kwargs, within)
    with watch.inside():
        outputs = act()
    event["outputs"] = watch.whole(outputs)
    return outputs


def begun(
    watch: Watch, module: str, method: str, main: bool, args: Tuple[Any, ...], kwargs: Dict[str, Any], within: str = ""
) -> Dict[str, Any]:
    """Record that a call begins."""
    limit = int(watch.request.get("until_calls") or 0)
    if main and limit and watch.calls >= limit and watch.request.get("stop", "call") != "end":
        raise Stop
    frame = sys._getframe(1)
    watch.calls += 1 if main or not watch.loaded else 0
    watch.begun += 1
    event: Dict[str, Any] = {"is": "call", "id": f"c{watch.begun}", "module": module, "method": method}
    watch.mains |= {str(event["id"])} if main else set()
    event.update(main=main, args=[], kwargs={}, outputs=None, **({"within": within} if within else {}))
    if watch.begun > MOST_CALLS:
        watch.counts["call", ""] = watch.counts.get(("call", ""), 0) + 1
        return event
    event["args"] = [watch.whole(one) for one in args]
    event["kwargs"] = {name: watch.whole(one) for name, one in kwargs.items()}
    watch.event(event, frame)
    if not watch.called_at or (main and watch.called_at != "main"):
        watch.called_at = "main" if main else "other"
        watch.see_locals(frame)
    if main and watch.has_read and watch.request.get("stop") == "enter" and _holds_tensor(event):
        raise Stop
    return event


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return "tensor" in value or any(_holds_tensor(one) for one in value.values())
    return isinstance(value, list) and any(_holds_tensor(one) for one in value)


def judge(watch: Watch, record: Dict[str, Any]) -> None:
    """Say of a run that came to its end whether the model was called in it."""
    if record["outcome"] != "ok":
        return
    if not watch.begun:
        refused = watch.refusals[-1] if watch.refusals else ""
        record.update(outcome="refused" if refused else "no-call", message=refused or "no model was called")
    elif not watch.mains and watch.tree.checkpoint:
        record["message"] = "what was called did not have the checkpoint's weights"
