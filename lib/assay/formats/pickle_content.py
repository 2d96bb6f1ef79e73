"""What every format that holds a pickle shares: reading its objects, judging its globals, finding its weights."""

from collections.abc import Callable

from assay.errors import WrongInput
from assay.formats.content import Content
from assay.formats.given import Given
from assay.formats.pickle_globals import DANGEROUS, INSIDE, UNKNOWN, judged
from assay.formats.pickle_machine import Budget, Machine, Window
from assay.formats.pickle_values import Global, Malformed
from assay.formats.torch_layout import Misplaced, lay_out, misplaced
from assay.formats.torch_objects import TorchSense
from assay.formats.torch_state import Found, TooDeep, weights_of

TOO_DEEP = "its objects are nested deeper, or share more, than any checkpoint"
MOST_INNER = 64 << 20  # bytes of a packed pickle that are unpacked


class Seen:
    """The globals of all pickles of one checkpoint, with where each was named."""

    def __init__(self) -> None:
        self.globals: list[tuple[Global, str]] = []
        self.odd: list[tuple[str, str]] = []
        self.unread = 0
        self.budget = Budget()

    def take(self, machine: Machine, where: str) -> None:
        """Take over what one pickle, and the pickles inside it, named."""
        self.globals += [(one, where) for one in machine.globals]
        self.odd += [(trick, where) for trick in machine.odd]
        if isinstance(machine.sense, TorchSense):
            # One that is named and not called may be called by another's hand.
            named = sum(one == INSIDE for one in machine.globals)
            self.unread += machine.sense.unread + max(0, named - machine.sense.read)
            for inner in machine.sense.inside:
                self.take(inner, f"{where}, inside")

    def judge(self, content: Content) -> None:
        """Write the verdicts down, and why loading needs trust when it does."""
        content.code += judged(self.globals, self.odd, read_inside=not self.unread)
        for verdict, says in (
            (DANGEROUS, "names code that can do harm"),
            (UNKNOWN, "names code that is not known here"),
        ):
            names = list(dict.fromkeys(row.name for row in content.code if row.verdict == verdict))
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                content.trust.append(f"it {says}: {', '.join(names[:3])}{more}")


def read_objects(window: Window, sense: TorchSense, seen: Seen, where: str, content: Content) -> object:
    """Read one pickle; when it breaks off, what it named until then is kept and the damage is told."""
    sense.budget = seen.budget
    machine = Machine(window, sense)
    try:
        return machine.read()
    except Malformed as fault:
        content.damaged.append(f"{where + ': ' if where else ''}no whole pickle: {fault.what} (byte {fault.at})")
        content.trust.append("it could not be read to its end, and what lies behind that is not known")
        return None
    finally:
        seen.take(machine, where)


def find_weights(given: Given, top: object, content: Content) -> None:
    """Find the weights among the objects, each within numbers that are there."""
    place_weights(given, lambda: weights_of(top), content)


def place_weights(given: Given, find: Callable[[], Found], content: Content) -> None:
    """Write down the weights that a walk finds; refuse a walk without end, and weights that are not there."""
    try:
        lay_out(find(), content)
    except TooDeep:
        raise given.damaged(TOO_DEEP, "do not load it") from None
    except Misplaced as error:
        raise misplaced(given.where, error) from None


def raise_if_bare(given: Given, content: Content) -> None:
    """Refuse a damaged file of which nothing worth showing could be read."""
    if content.damaged and not any(row.verdict in (DANGEROUS, UNKNOWN) for row in content.code):
        raise WrongInput(content.damaged[0], where=given.where, mend="fetch it again")
