"""The records a later golden file takes in: those of a new shape, and none of a shape that is held already."""

import pytest

from tests.golden import kept
from tests.golden.shapes import shapes

ORDER = {"v": "1", "e1": '["said_yes",9500,"op",{"rule":"only"}]', "f:activate": "[]"}


@pytest.mark.parametrize(
    "change",
    [
        {"e2": '["said_no",9500,"op",{"rule":"only"}]'}, {"e2": '["said_yes",9500,"op",{"rule":"only","new":1}]'},
        {"e2": '["said_yes",9500,"op",{"rule":"only"},0]'}, {"f:activate": "[1,0,0,0,0]"}, {"later": "x"},
    ],
)  # fmt: skip
def test_a_new_tag_field_or_length_is_a_new_shape(change):
    assert shapes("ce:{0}:order:1", ORDER | change) - shapes("ce:{0}:order:1", ORDER)


def test_other_values_under_other_names_of_the_same_kind_are_not():
    same = {"v": "2", "e7": '["said_yes",1,"",{"rule":"code"}]', "f:activate": "[]"}
    assert shapes("ce:{3}:order:2", same) == shapes("ce:{0}:order:1", ORDER)
    assert shapes("ce:{0}:line:2", same) != shapes("ce:{0}:order:1", ORDER)


def test_every_kept_record_has_shapes_and_they_are_few():
    found = {shape for key, record in kept().items() for shape in shapes(key, record)}
    assert 50 < len(found) < 1_000
