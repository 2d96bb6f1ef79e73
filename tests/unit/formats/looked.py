"""One way for the tests to look at a file: what it is, and what it holds."""

from pathlib import Path

from assay import formats
from assay.errors import WrongInput
from assay.examination import Examination
from assay.formats.content import Content
from assay.formats.given import Given
from assay.records import Format


def recognised(path: Path) -> Format:
    """Say what a file is."""
    with Given(path) as given:
        return formats.recognise(given)


def looked(path: Path) -> tuple[Format, Content]:
    """Say what a file is and holds."""
    with Given(path) as given:
        found = formats.recognise(given)
        return found, formats.look(given, found)


def refusal(path: Path) -> str:
    """Say why a file is refused, or is not what it should be; "" when it is good."""
    try:
        examined = Examination(path)
    except WrongInput as fault:
        return str(fault)
    return "; ".join(filter(None, [examined.misnamed, *examined.content.damaged, *examined.content.cannot]))
