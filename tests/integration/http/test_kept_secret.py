"""No number and no text of a person can be found in what is kept: Redis' files, SQL's and a backup."""

from consent_engine.backup.back_up import back_up
from consent_engine.domain.effects import Lane
from consent_engine.engine.scribe import as_of_now
from tests.integration.api_door import FULL_SECRET, order, reply

PERSONS = 200


def test_no_number_and_no_text_is_found_in_redis_sql_or_a_backup(door, tmp_path):
    numbers = [f"139{n:05}{7_300 + n:03}"[:11] for n in range(PERSONS)]
    said = {number: f"秘密的话{n:04}" for n, number in enumerate(numbers)}
    for n, number in enumerate(numbers):
        door.place(order(msisdn=number), key=f"key-{n}")
    door.work(Lane.SMS)
    for n, number in enumerate(numbers):
        words = ("是", said[number], f"我要投诉{said[number]}", f"别再打了{said[number]}")[n % 4]
        door.post("inbound", reply(words, **{"from": number, "message_id": f"m-{n}"}))
        door.post("inbound", reply(said[number], **{"from": f"137{n:08}", "message_id": f"u-{n}"}))
        if n == PERSONS // 2:
            door.work(Lane.INBOUND, Lane.SMS, Lane.ACTIVATION)
    as_of_now(door.engine.store)
    door.redis.config_set("rdbcompression", "no")
    door.redis.save()
    door.engine.registry.check(FULL_SECRET, strict=False, cells=1)
    back_up(door.settings, None, tmp_path / "kept", lambda _: None)
    files = [path for folder in (door.settings.data_dir, tmp_path) for path in folder.rglob("*") if path.is_file()]
    kept = {str(path): path.read_bytes() for path in files}
    ends = {name.rpartition(".")[2] for name, content in kept.items() if b"A1024" in content}
    assert {"aof", "sqlite3"} <= ends, "whatever is no person's is found"
    texts = [*numbers, *said.values(), *(f"137{n:08}" for n in range(PERSONS))]
    found = [
        (name, text) for name, content in kept.items() for text in texts
        if text.encode() in content or text.encode("unicode_escape") in content
    ]  # fmt: skip
    assert found == []
