"""Every key of the store is known to a backup and to a move to other cells: moved, or left behind on purpose."""

import re

import pytest

from consent_engine.adapters.redis import keys
from consent_engine.adapters.redis.reshard.dump import Side
from consent_engine.adapters.redis.reshard.families import INDEXES, LEFT, LISTS, STREAMS, TOGETHER, WHOLE

NAMED = re.findall(r"^    (ce:\S+) +(?:hash|zset|list|stream|string|set) ", keys.__doc__ or "", re.MULTILINE)


class Nowhere:
    """A wire that is never asked anything."""


def test_the_keys_are_read_where_they_are_written_down():
    assert {"ce:{0}:order:<id>", "ce:{0}:rhythm:<day>", "ce:codes:<hour>", "ce:meta"} <= set(NAMED)


def test_each_kind_of_key_that_a_move_knows_is_written_down():
    known = {*WHOLE, *INDEXES, *TOGETHER, *STREAMS, *LISTS, *LEFT}
    named = {name.removeprefix("ce:").removeprefix("{0}:").removeprefix("plans:").partition(":")[0] for name in NAMED}
    assert known - named == set()


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", NAMED)
def test_a_move_knows_each_kind_of_key(name, alone):
    side = Side([Nowhere()], alone=alone)
    own = name if alone or name.startswith("ce:{0}:") else name.replace("ce:", "ce:{0}:", 1)
    kind, _ = side._named(side.cells[0], re.sub("<[^>]+>", "0" * 28, own))  # noqa: SLF001 - one key at a time
    assert kind in name
