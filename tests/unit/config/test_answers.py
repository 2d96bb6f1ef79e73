"""An answer written into an experiment's YAML leaves everything else as it stands."""

import pytest

from assay.config.answers import with_answer
from assay.errors import WrongInput

ENTRY = '{is: BGR, by: "ada"}'
HEAD = "# mine\nmodel: {checkpoint: a.pth, name: a}  # kept\n"


def test_without_a_block_one_is_begun_at_the_end():
    assert with_answer(HEAD, "pre.color", ENTRY, "a.yaml") == HEAD + f"contract:\n  pre.color: {ENTRY}\n"


def test_an_empty_block_is_filled():
    assert with_answer(HEAD + "contract: {}\n", "pre.color", ENTRY, "a.yaml") == HEAD + f"contract:\n  pre.color: {ENTRY}\n"


def test_answers_join_a_block_with_its_indentation():
    text = "contract:\n    post.iou: {unknown: true, by: ada}\n\nparams: {a: 1}\n"
    expected = f"contract:\n    pre.color: {ENTRY}\n    post.iou: {{unknown: true, by: ada}}\n\nparams: {{a: 1}}\n"
    assert with_answer(text, "pre.color", ENTRY, "a.yaml") == expected


def test_an_older_answer_is_replaced_whole():
    text = "contract:\n  pre.color:\n    is: RGB\n    by: bob\n  post.iou: {unknown: true, by: ada}\n"
    expected = f"contract:\n  pre.color: {ENTRY}\n  post.iou: {{unknown: true, by: ada}}\n"
    assert with_answer(text, "pre.color", ENTRY, "a.yaml") == expected


def test_the_last_answer_of_a_file_is_replaced_too():
    text = "contract:\n  pre.color: {is: RGB, by: bob}\n"
    assert with_answer(text, "pre.color", ENTRY, "a.yaml") == f"contract:\n  pre.color: {ENTRY}\n"


def test_a_block_on_one_line_is_left_to_the_person():
    with pytest.raises(WrongInput, match="is written on one line"):
        with_answer("contract: {a.b: {unknown: true, by: x}}\n", "pre.color", ENTRY, "a.yaml")
