"""The writer of `under_way.json`: data of commit 7de6331, made by its own code, with orders under way for ten years.

    mkdir /tmp/then && git archive 7de6331 | tar -x -C /tmp/then
    cd /tmp/then && PYTHONPATH=/tmp/then python /path/to/this/checkout/tests/containers/under_way.py

Nothing here may need later code. Windows are so long that the data do not age while a test uses the real clock.
"""

import base64
import io
import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path

FILE = Path(__file__).with_name("under_way.json")
SECRET = "test-secret"
LONG = 3_650 * 86_400_000
FINISHED, ASKED, UNASKED, STOPPED = (f"+86138000070{n:02}" for n in range(1, 5))


def live(world, lane, parse):
    """Make an order that is over, one that was asked, one not asked yet, and a refusal; return them by number."""
    orders = {number: world.place(parse(number), key=f"of {number}") for number in (FINISHED, ASKED, STOPPED)}
    world.run(lane)
    for number, text in ((FINISHED, "是"), (STOPPED, "TD")):
        assert world.say(text, parse(number), message_id=f"mo of {number}")
    world.run()
    orders[UNASKED] = world.place(parse(UNASKED), key=f"of {UNASKED}")
    return {number: world.engine.show(order.id) for number, order in orders.items()}


def make():
    """Write the file with the code that PYTHONPATH leads to: its modules had other names."""
    from consent_engine.adapters.redis_client import connect  # noqa: PLC0415
    from consent_engine.adapters.redis_server import EmbeddedServer  # noqa: PLC0415
    from consent_engine.domain.policy import Policy  # noqa: PLC0415
    from consent_engine.keys import Role  # noqa: PLC0415

    from consent_engine.domain.effects import Lane  # noqa: PLC0415
    from consent_engine.domain.msisdn import parse  # noqa: PLC0415
    from tests.conftest import Clock, World  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        data, packed = Path(folder) / "data", io.BytesIO()
        with EmbeddedServer.start(data, "strict") as server:
            client = connect(server.url)
            policy = Policy(reply_window=LONG, confirm_within=LONG)
            world = World(client, policy, clock=Clock(int(time.time() * 1000) - 60_000))
            world.engine.registry.check(SECRET, strict=False, cells=1)
            key = world.engine.keys.add("agent-1", Role.AGENT)
            shown = live(world, Lane.SMS, parse)
            world.runner.close()
            client.close()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(data / "appendonlydir", "appendonlydir")
    orders = {number: {"id": order.id, "head": order.head} for number, order in shown.items()}
    written = {"secret": SECRET, "key": key, "orders": orders, "data": base64.b64encode(packed.getvalue()).decode()}
    FILE.write_text(json.dumps(written, indent=1) + "\n")
    states = {number: order.state.value for number, order in shown.items()}
    sys.stdout.write(f"{FILE}: {FILE.stat().st_size} bytes, {states}\n")


if __name__ == "__main__":
    make()
