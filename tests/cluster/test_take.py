"""Webhooks while a cell is away: a request that needs it is refused, every other one is acknowledged."""

from functools import partial

from consent_engine.api.service.service import Post, PostsSeen, receive, store
from consent_engine.domain.clocks import Clocks
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Acknowledgement, Parsed, Stored, WebhookCall
from tests.cluster.shaky import people_of, placings

SAID = Acknowledgement(200, b"", "text/plain")


class Posts:
    """The posts of a gateway, and how its adapter reads them."""

    def __init__(self, gateway):
        self.posted = []
        gateway.webhooks = self

    def acknowledge(self, accepted, rejected):
        return SAID

    def read(self, call):
        return Parsed(list(enumerate(self.posted[int(call.headers["n"])])), [])

    replies = reports = read

    def of(self, *messages):
        self.posted.append(messages)
        call = WebhookCall({"n": str(len(self.posted) - 1)}, {}, b"", 0)
        return Post("test", call, isinstance(messages[0], DeliveryReport))


def test_posts_of_cells_that_can_be_reached_are_acknowledged(world):
    homes = people_of(0, 1, 2, 3, count=2)
    placed = world.engine.place_many(placings(world, [homes[0][0], homes[1][0]]))
    stop = {n: Reply("test", f"mo-{n}", each[0], "10085", "TD") for n, each in homes.items()}
    reports = [DeliveryReport("test", f"{each.order.id}.confirmation.1", "m", Delivery.DELIVERED) for each in placed]
    posts = Posts(world.gateway)
    wanted = [
        posts.of(stop[0]), posts.of(stop[1]), posts.of(stop[2], stop[1], stop[3]),
        RefusalAsked(homes[1][1], "*", "voice", "A1"), RefusalAsked(homes[2][1], "*", "voice", "A1"),
        posts.of(reports[0]), posts.of(reports[1]),
    ]  # fmt: skip
    world.wires[1].cut = True
    told = receive(world.engine, wanted, PostsSeen([]), partial(store, Clocks()))
    assert [isinstance(each, StoreUnavailable) for each in told] == [False, True, True, True, False, False, True]
    assert told[0] == told[5] == SAID
    assert isinstance(told[4], Stored)
    assert not world.engine.dial(homes[3][0], "mobile").callable, "stored, though its post was not acknowledged"
    world.wires[1].cut = False
    assert not any(
        isinstance(each, StoreUnavailable)
        for each in receive(world.engine, wanted, PostsSeen([]), partial(store, Clocks()))
    )
    assert sum(world.client.llen(key) for key in world.client.keys("ce:*:inbox:*")) == 6, "each once"
    of_strangers = [world.engine.dial(homes[n][1], "mobile").callable for n in (1, 2)]
    assert of_strangers == [False, False], "in force, and no message: there is nothing to end"
