"""What a postprocess function gives back, read as answers; and its input tensors, read as rows."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

MANY_ROWS, BOX = 8, 4


class Answer(NamedTuple):
    """One thing found; what it does not have is None."""

    score: Optional[float]
    label: Any
    box: Optional[Tuple[float, float, float, float]]  # x1 y1 x2 y2


class Rows(NamedTuple):
    """Outputs that hold a box and scores in each row: where they are kept, and how to put other rows there."""

    template: Dict[str, np.ndarray]
    boxes_in: str
    scores_in: str  # the same tensor, or another
    turned: bool  # [1, 4 + C, N]

    def boxes(self) -> np.ndarray:
        """Give the box columns [N, 4]."""
        return self._table(self.boxes_in)[:, :BOX]

    def scores(self) -> np.ndarray:
        """Give the score columns [N, C]."""
        table = self._table(self.scores_in)
        return table[:, BOX:] if self.scores_in == self.boxes_in else table

    def outputs(self, boxes: np.ndarray, scores: np.ndarray) -> Dict[str, np.ndarray]:
        """Give the outputs with these rows in them, fresh arrays each time."""
        made = {name: np.array(x, copy=True) for name, x in self.template.items()}
        if self.boxes_in == self.scores_in:
            self._put(made, self.boxes_in, np.concatenate([boxes, scores], 1))
        else:
            self._put(made, self.boxes_in, boxes)
            self._put(made, self.scores_in, scores)
        return made

    def _table(self, name: str) -> np.ndarray:
        x = np.asarray(self.template[name], np.float64)
        x = x[0] if x.ndim == 3 else x
        return x.T if self.turned else x

    def _put(self, made: Dict[str, np.ndarray], name: str, table: np.ndarray) -> None:
        table = (table.T if self.turned else table).astype(made[name].dtype)
        made[name] = table[None] if made[name].ndim == 3 else table


def rows_of(outputs: Dict[str, np.ndarray]) -> Optional[Rows]:
    """Recognise boxes and scores by shape: [N, 4] beside [N, C], or one [N, 4 + C]; None when it is not clear."""
    tables = {name: x for name, x in outputs.items() if _is_table(x)}
    if len(tables) == 1 and len(outputs) == 1:
        name, x = next(iter(tables.items()))
        tall = x.shape[-2] > x.shape[-1]
        return Rows(outputs, name, name, not tall) if min(x.shape[-2:]) > BOX else None
    boxes = [name for name, x in tables.items() if x.shape[-1] == BOX]
    scores = [name for name, x in tables.items() if x.shape[-1] != BOX]
    if len(boxes) != 1 or len(scores) != 1 or tables[boxes[0]].shape[-2] != tables[scores[0]].shape[-2]:
        return None
    return Rows(outputs, boxes[0], scores[0], False)


def _is_table(x: np.ndarray) -> bool:
    flat = x.ndim == 2 or (x.ndim == 3 and x.shape[0] == 1)
    return flat and x.dtype.kind == "f" and max(x.shape[-2:]) >= MANY_ROWS and x.shape[-2] != x.shape[-1]


def answers(result: Any) -> Optional[List[Answer]]:
    """Read a result; None when it is none of the usual forms."""
    if result is None:
        return []
    if isinstance(result, dict):
        return _of_dict(result)
    if isinstance(result, np.ndarray) or hasattr(result, "detach"):
        return _of_table(_array(result))
    if isinstance(result, (list, tuple)):
        if all(isinstance(each, dict) for each in result):
            read = [_one(each) for each in result]
            return None if any(each is None for each in read) else [each for each in read if each is not None]
        return _of_arrays([_array(each) for each in result])
    return None


def _array(x: Any) -> np.ndarray:
    try:
        return np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x)
    except ValueError:  # rows of different lengths
        return np.zeros(0, object)


def _one(given: Dict[str, Any]) -> Optional[Answer]:
    score, box = given.get("score"), given.get("box")
    if score is None and box is None:
        return None
    try:
        corners = None if box is None else tuple(float(v) for v in box)
        return Answer(None if score is None else float(score), given.get("label"), corners)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _of_dict(result: Dict[str, Any]) -> Optional[List[Answer]]:
    if isinstance(result.get("top"), (list, tuple)):
        return answers(list(result["top"]))
    if "score" in result:
        one = _one(result)
        return None if one is None else [one]
    names = ("boxes", "scores", "labels")
    if "boxes" in result and "scores" in result:
        return _of_arrays([_array(result[name]) for name in names if name in result])
    return None


def _of_table(table: np.ndarray) -> Optional[List[Answer]]:
    if table.size == 0:
        return []
    if table.ndim != 2 or table.shape[1] not in (5, 6) or table.dtype.kind not in "fiu":
        return None
    return [Answer(float(r[4]), float(r[5]) if len(r) > 5 else None, _corners(r)) for r in table]


def _of_arrays(parts: List[np.ndarray]) -> Optional[List[Answer]]:
    if all(p.size == 0 for p in parts):
        return []
    if all(p.ndim == 1 and p.dtype.kind in "fiu" and len(p) in (5, 6) for p in parts):
        return _of_table(np.stack(parts)) if len({len(p) for p in parts}) == 1 else None
    boxes = [p for p in parts if p.ndim == 2 and p.shape[1] == BOX and p.dtype.kind in "fiu"]
    scores = [p for p in parts if p.ndim == 1 and p.dtype.kind == "f"]
    labels = [p for p in parts if p.ndim == 1 and p.dtype.kind in "iuU"]
    if len(boxes) != 1 or len(scores) != 1 or len(labels) > 1 or len(boxes[0]) != len(scores[0]):
        return None
    named = labels[0].tolist() if labels else [None] * len(scores[0])
    return [Answer(float(s), label, _corners(b)) for s, label, b in zip(scores[0], named, boxes[0])]


def _corners(row: np.ndarray) -> Tuple[float, float, float, float]:
    return float(row[0]), float(row[1]), float(row[2]), float(row[3])
