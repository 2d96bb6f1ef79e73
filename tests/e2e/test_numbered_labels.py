"""Labels that upstream numbers from 1 on, by the front door: the claim says so, and no list by number is made of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from test_claims import PREDICT, claim, lines_of, make, record, say
from test_reading import agreements
from tiny import built

NAMES = '''\
"""What the classes are called."""

WORDS = ["dark", "bright"]
idx2word = {i + 1: word for i, word in enumerate(WORDS)}
'''


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Upstream answers by a table that begins at 1."""
    script = PREDICT.replace("from names import NAMES", "from names import idx2word").replace("NAMES[best]", "idx2word[best + 1]")
    root = make(tmp_path_factory.mktemp("numbered") / "repo", script)
    (root / "upstream/names.py").write_text(NAMES)
    yield root
    assert tiny.left_behind(root) == []


def test_where_numbers_begin_is_said_and_followed(repo: Path) -> None:
    built(repo, "tiny", "agree")
    names = claim(repo, "labels.names")
    assert (names["value"], names["reason"]) == (["dark", "bright"], "numbered from 1 on")
    assert lines_of(names) == ["upstream/names.py:4"] and claim(repo, "labels.count")["value"] == 2
    assert record(repo, "contract")["labels"] == []
    assert agreements(repo, "tiny") == {("same", "same", "same")}


def test_a_person_who_confirms_the_names_does_not_move_them(repo: Path) -> None:
    say(repo, "labels.names: {confirm: [dark, bright], by: ada}")
    built(repo, "tiny", "contract")
    names = claim(repo, "labels.names")
    assert (names["status"], names["reason"]) == ("confirmed", "numbered from 1 on")
    assert record(repo, "contract")["labels"] == []
    say(repo, 'labels.names: {is: ["-", dark, bright], by: ada}')
    built(repo, "tiny", "contract")
    assert record(repo, "contract")["labels"] == ["-", "dark", "bright"]
