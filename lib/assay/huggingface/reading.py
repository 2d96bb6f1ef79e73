"""Everything that a Hugging Face folder says about use, as claims with the lines that say it."""

from assay.huggingface import families, labels, shapes, sounds, words
from assay.huggingface.families import PICTURE, SOUND
from assay.huggingface.folder import CONFIG, Folder, claim, unknown
from assay.huggingface.images import Reader
from assay.huggingface.plan import settings
from assay.records import Claim, Evidence


def claims(folder: Folder) -> "list[Claim]":
    """State what the folder's configs say, each with its lines; what they contradict is a conflict."""
    made = [*_model(folder), *shapes.claims(folder)]
    use = _use(folder)
    if use is None:
        return made
    made += labels.claims(folder, use.name)
    if use.takes in (PICTURE, ""):
        found = settings(folder, "image_processor")
        made += (
            Reader(folder, found).claims() if found and (use.takes or "image_processor_type" in found.values) else []
        )
    if use.takes == SOUND:
        found = settings(folder, "feature_extractor")
        made += sounds.claims(folder, found) if found and not found.doubt else []
    return [*made, *words.claims(folder), *_activation(folder, use.name)]


def _use(folder: Folder) -> "families.Use | None":
    stated = folder.value(CONFIG, "architectures")
    if not isinstance(stated, list) or len(stated) != 1 or not isinstance(stated[0], str):
        return None
    return families.use_of(stated[0], folder.model_type)


def _model(folder: Folder) -> "list[Claim]":
    """State class, task, and the code that the folder asks for."""
    made = []
    stated = folder.value(CONFIG, "architectures")
    one = isinstance(stated, list) and len(stated) == 1 and isinstance(stated[0], str)
    if stated and not one:
        why = "config.json does not name one architecture"
        made.append(unknown("model.class", why, folder.evidence(CONFIG, "architectures"), alternatives=[stated]))
    for file in folder.has_code():
        why = f"{file} asks for code of the folder's own"
        made.append(
            claim("model.auto_map", folder.value(file, "auto_map"), folder.evidence(file, "auto_map"), reason=why)
        )
        break
    if not one:
        return made
    cited = folder.evidence(CONFIG, "architectures")
    made.append(claim("model.class", stated[0], cited))
    use = _use(folder)
    if use:
        made.append(claim("model.task", use.task, cited, reason=f"the class name ends in {use.suffix}"))
    return made


def _activation(folder: Folder, use: str) -> "list[Claim]":
    """State what makes scores of a classifier's numbers."""
    if use != "classify":
        return []
    problem = folder.value(CONFIG, "problem_type")
    how = activation(folder)
    if problem:
        return [claim("post.activation", how, folder.evidence(CONFIG, "problem_type"))] if how else []
    if not how:
        return [unknown("post.activation", "one class and no problem_type: a number or a yes and no")]
    absent = Evidence(kind="source", where=folder.place(CONFIG), text="no problem_type")
    return [claim("post.activation", how, absent, reason="absence: the library takes softmax then")]


def activation(folder: Folder) -> str:
    """Name what makes scores of a classifier's numbers: softmax, sigmoid, none; "" when that is not settled."""
    problem = folder.value(CONFIG, "problem_type")
    named = {"single_label_classification": "softmax", "multi_label_classification": "sigmoid", "regression": "none"}
    if isinstance(problem, str):
        return named.get(problem, "")
    counted = shapes.rows(folder)
    names = folder.value(CONFIG, "id2label")
    size = counted[0] if counted else len(names) if isinstance(names, dict) else 2
    return "softmax" if size > 1 else ""
