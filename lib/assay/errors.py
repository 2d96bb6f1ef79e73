"""What can go wrong, said once: what, where, how to mend it."""

DONE, FAILED, WRONG_INPUT, NEEDS_ANSWER, TARGET_MISSED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 130, 143

SHOWN = 20  # known words listed when none is near


class Fault(Exception):
    """A fault the reader can mend; caught once, at a door."""

    exit_code = FAILED

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"; {self.mend}" if self.mend else "")


class WrongInput(Fault):
    """The user's input cannot be used as it is."""

    exit_code = WRONG_INPUT


class WrongInputs(WrongInput):
    """Several faults of one input, reported together, one line each."""

    def __init__(self, faults: "list[WrongInput]") -> None:
        super().__init__("\n".join(str(f) for f in faults))
        self.faults = tuple(faults)


class NeedsAnswer(Fault):
    """A person has to decide first; nothing was changed."""

    exit_code = NEEDS_ANSWER


class StageFailed(Fault):
    """A stage ran and could not do its work."""

    exit_code = FAILED


def did_you_mean(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """Name the nearest known word, or all of them when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    listed = sorted(known)
    return "known: " + ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "") if listed else ""
