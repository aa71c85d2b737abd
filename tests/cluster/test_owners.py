"""Finding the owner of a slot: which node is believed, and which node names the owner."""

import pytest
from redis import Connection, Redis
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError
from redis.exceptions import ConnectionError as Unreachable

from consent_engine.adapters.redis.client import Calls, Wire, connect
from consent_engine.adapters.redis.topology import Owners, _OwnerConnection, master_at
from consent_engine.errors import StoreUnavailable

SEEDS = (("a", 1), ("b", 2), ("c", 3))


class Told(Owners):
    """Nodes that answer as the test says: an error, or their view of the cluster and the owner they name."""

    __slots__ = ("asked", "says")

    def _asked(self, host, port):
        self.asked.append(host)
        answer = self.says[host]
        if isinstance(answer, Exception):
            raise answer
        state, owner = answer
        return f"cluster_state:{state}\r\n", [[0, 16_383, [owner, 9, "id"], ["z", 8, "id"]]]


class Says(Connection):
    """A connection on which the server answers nothing but an error."""

    def read_response(self, *_, **__):
        raise self.error


class Led(_OwnerConnection, Says):
    closed = False

    def disconnect(self, *_):
        self.closed = True


def owners(**says):
    made = Told(SEEDS, None, None)
    made.says, made.asked = says, []
    return made


def test_the_first_that_answers_is_believed_and_asked_first_from_then_on():
    made = owners(a=OSError(), b=("ok", "m"), c=("ok", "other"), m=("ok", "m"), z=OSError())
    assert made.of(7) == ("m", 9)
    assert made.asked == ["a", "b"]
    assert made.of(7) == ("m", 9)
    assert made.asked == ["a", "b", "m"]


def test_a_node_that_is_cut_off_from_most_masters_is_not_believed():
    made = owners(a=("fail", "old"), b=("ok", "new"), c=("ok", "new"))
    assert made.of(7) == ("new", 9)
    with pytest.raises(Unreachable):
        owners(a=("fail", "old"), b=OSError(), c=ResponseError("no")).of(7)


def test_who_was_just_named_by_a_server_is_asked_first():
    made = owners(a=("ok", "old"), b=("ok", "old"), c=("ok", "old"), heir=("ok", "heir"))
    assert made.of(7) == ("old", 9)
    made.named_owner("heir", 5)
    assert made.of(7) == ("heir", 9)
    made.named_owner("", 5)  # a node that does not know its own name
    assert made.known[0][0] == "heir"


@pytest.mark.parametrize(
    "error",
    [
        MovedError("7 heir:5"),
        AskError("7 heir:5"),
        ClusterDownError("The cluster is down"),
        ResponseError("ERR Script attempted to access a non local key in a cluster node"),
    ],
)
def test_an_answer_that_leads_away_is_a_connection_that_is_lost(error):
    made = Led(owners=owners(), slot=7)
    made.error = error
    with pytest.raises(Unreachable):
        made.read_response()
    assert made.closed
    assert made._owners.known == ([("heir", 5)] if isinstance(error, MovedError) else [])  # noqa: SLF001 - the owners it has learnt


def test_any_other_answer_stays_what_it_is():
    made = Led(owners=owners(), slot=7)
    made.error = ResponseError("ERR a defect")
    with pytest.raises(ResponseError, match="a defect"):
        made.read_response()


def test_each_tag_is_led_to_its_own_master_and_follows_its_slot(town):
    with connect(town.url, tag="1") as client:
        assert isinstance(client, Redis)
        wire = Wire(client, proves=True, replicas=1)
        calls = Calls()
        calls.plain("SET", "ce:{1}:mine", "1")
        wire.send(calls, prove=True)
        giver, taker = town.owner(1), town.owner(0)
        assert master_at(client) == f"127.0.0.1:{giver.port}"
        town.move_slot(1, taker)
        wire.send(calls, prove=True, repeat=True)
        assert master_at(client) == f"127.0.0.1:{taker.port}"
        stranger = Calls()
        stranger.plain("SET", "ce:{3}:not mine", "1")
        with pytest.raises(StoreUnavailable):
            wire.send(stranger)
        town.move_slot(1, giver)
