"""Redis' users and TLS, tried for real: the whole road as two users, and each refused every command it must not do.

Over TLS where an installed server speaks it. The users are proven without it as well; only the tests of TLS need it.
"""

import contextlib
import socket
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from http import HTTPStatus

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from benchmarks.ports import free_port
from consent_engine.adapters.redis.client import connect
from tests import needs
from tests.acceptance.house import call
from tests.security.redis_house import DEPLOY, PASSWORDS, guarded, processes
from tests.typed import typed
from tests.waiting import HANGS_S, until

ASKED_AND_DONE_WITHOUT = {"command config|get", "command acl|getuser", "command client|list"}
"""Commands the engine tries, and does without where they are refused."""
RQ_PAGES = (
    "/rq/", "/rq/0/view/workers", "/rq/0/view/jobs", "/rq/0/view/jobs/sms/failed/8/asc/1", "/rq/0/data/queues.json",
    "/rq/0/data/workers.json", "/rq/0/data/jobs/sms/queued/8/asc/1.json", "/rq/0/data/jobs/sms/finished/8/asc/1.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    spoken = needs.tls_servers()
    binary = spoken[0] if spoken else needs.server()
    with guarded(tmp_path_factory.mktemp("redis"), binary, tls=bool(spoken)) as made:
        yield made


@pytest.fixture
def over_tls(redis):
    needs.tls_server()
    return redis


@pytest.fixture(scope="module")
def home(redis, tmp_path_factory):
    with processes(tmp_path_factory.mktemp("engine"), redis) as made:
        made.environ["CONSENT_REDIS_URL"] = redis.url("api")
        made.add_keys()
        yield made


@pytest.fixture(scope="module")
def walked(home):
    """The id of an order that went the whole road."""
    status, order = home.place(1)
    assert status == HTTPStatus.CREATED, order
    until("asked", lambda: home.state(order["id"]) == "awaiting_reply")
    assert home.say(1, "是", "mo-1")[0] == HTTPStatus.OK
    until("notified", lambda: home.state(order["id"]) == "notified")
    return order["id"]


def test_the_whole_road_is_walked_as_two_users(home, redis, walked):
    [activation] = [each for each in home.ledger()["activations"] if each["order_id"] == walked]
    assert activation["switched_on"] == 1
    with contextlib.closing(redis.client("boss")) as boss:
        assert {row["user"] for row in boss.client_list()} == {"consent-api", "consent-worker", "boss"}
    assert {refused.partition(": ")[2] for refused in redis.refused()} <= ASKED_AND_DONE_WITHOUT


def browser(home):
    """A browser in which an operator (ops) is signed in."""
    made = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    form = urllib.parse.urlencode({"key": home.keys["ops"]}).encode()
    made.open(urllib.request.Request(f"{home.api}/sign-in", form, {"Origin": home.api}))  # noqa: S310 - our own loopback address
    return made


def test_a_worker_may_let_an_order_go_to_the_archive(home, redis, walked):
    other = home.place(2)[1]["id"]
    until("asked", lambda: home.state(other) == "awaiting_reply")
    assert home.say(2, "不同意", "mo-2")[0] == HTTPStatus.OK
    until("declined", lambda: home.state(other) == "declined")
    order = f"ce:{{0}}:order:{other}"
    with contextlib.closing(redis.client("boss")) as boss:
        line = f"ce:{{0}}:line:{boss.hget(order, 'line')}"

        def left():
            if boss.exists(order):  # make it long ago and due again, for a report may just have come
                boss.hset(line, "seen", 1)
                boss.zadd("ce:{0}:due:timer", {f"o:{other}:wake.archive": 1})
            return not boss.exists(order)

        until("it has left", left)
        until("so has its key", lambda: not any(other in (boss.get(key) or "") for key in boss.scan_iter("ce:key:*")))
    assert home.state(other) == "declined"
    assert {refused.partition(": ")[2] for refused in redis.refused()} <= ASKED_AND_DONE_WITHOUT


def test_everything_else_an_installation_does_is_allowed_too(home, redis, walked):
    assert home.ask("POST", "/v1/refusals", {"msisdn": "13800000077", "channel": "voice"})[0] == HTTPStatus.CREATED
    until("the scribe has written it", lambda: home.ask("GET", "/v1/refusals", role="ops")[1]["refusals"])
    act = {"channel": "web", "ref": "form-1", "at": "2099-01-01T00:00:00Z"}
    lifted = home.ask("POST", "/v1/refusals/lift", {"msisdn": "13800000077", "evidence": act}, role="admin")
    assert lifted[0] == HTTPStatus.UNPROCESSABLE_ENTITY  # refused as in the future: but the line was read
    code = {"msisdn": "13800000078", "carrier": "mobile"}
    assert home.ask("POST", "/v1/reports/code", code)[0] == HTTPStatus.ACCEPTED
    for path in ("/v1/orders", "/metrics", "/v1/plans"):
        assert home.ask("GET", path, role="ops")[0] == HTTPStatus.OK, path
    assert home.ask("POST", "/v1/plans/data-pack-10gb/withdraw", role="admin")[0] == HTTPStatus.OK
    ops = browser(home)
    for path in ("/ops", "/ops/board", *RQ_PAGES):
        assert ops.open(home.api + path).status == HTTPStatus.OK, path
    for path in ("/rq/requeue/sms", "/rq/queue/sms/failed/empty"):
        asked = urllib.request.Request(home.api + path, b"", {"Origin": home.api})  # noqa: S310 - our own loopback address
        assert ops.open(asked).status == HTTPStatus.OK, path
    for command in (["stuck"], ["show", walked], ["plans", "list"], ["keys", "list"], ["keys", "revoke", "agent-1"],
                    ["callable", "13800000001"], ["refuse", "13800000009"]):  # fmt: skip
        done = home.command(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    looked = home.command("doctor").stdout  # its other findings depend on this machine
    assert "orders" in looked
    assert "NoPermission" not in looked
    assert {refused.partition(": ")[2] for refused in redis.refused()} <= ASKED_AND_DONE_WITHOUT


def test_no_password_is_in_a_log_or_a_command_line(home, walked):
    told = home.told("api") + home.told("worker")
    assert "notified" in told
    assert not any(password in told for password in PASSWORDS.values())


NOBODYS = [
    "FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG GET requirepass", "CONFIG SET appendonly no", "CONFIG REWRITE",
    "DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "EVAL return 0", "EVAL_RO return 0", "FUNCTION LOAD x", "MODULE LOAD /x.so",
    "MONITOR", "ACL SETUSER default on", "ACL LIST", "REPLICAOF NO ONE", "SAVE", "BGREWRITEAOF", "SLOWLOG GET",
    "CLIENT LIST", "CLIENT KILL TYPE normal", "PUBLISH rq:pubsub:x stop", "SUBSCRIBE rq:pubsub:x", "PSUBSCRIBE *",
    "SCRIPT FLUSH", "RESTORE ce:x 0 x", "DUMP ce:meta", "MIGRATE 127.0.0.1 1 ce:meta 0 1", "SWAPDB 0 1",
    "SORT ce:plans",
    "COPY ce:a ce:b", "FAILOVER", "CLUSTER RESET", "RANDOMKEY", "SET other 1", "GET other", "HSET {0}:order:x v 1",
    "DEL mine",
]  # fmt: skip
"""Commands that no user of the engine needs."""
WORKERS_NOT = [
    "HGETALL ce:apikeys", "HSET ce:apikeys x y", "DEL ce:apikeys", "SCAN 0", "SET ce:key:x y",

]  # fmt: skip
"""A worker that an attacker has taken over can make no key, and learn of none."""
WATCHERS_NOT = [
    "HGETALL ce:{0}:order:x", "HGET ce:{0}:order:x who", "HGETALL ce:{0}:line:x", "LRANGE ce:{0}:inbox:x 0 -1",
    "XRANGE ce:{0}:unmatched - +", "HGETALL ce:apikeys", "HGETALL ce:meta", "HSET ce:workers x y", "DEL rq:workers",
    "ZADD ce:{0}:due:sms 0 x", "ZREM ce:{0}:due:sms x", "RPUSH rq:queue:sms x", "EVALSHA 0 0", "SCRIPT LOAD x",
    "SET rq:x 1",
]  # fmt: skip
"""The monitoring user sees depths, counts and jobs; no person, no key, and changes nothing."""
REFUSED = dict.fromkeys(PASSWORDS, NOBODYS) | {
    "worker": [*NOBODYS, *WORKERS_NOT],
    "watch": [*NOBODYS, *WATCHERS_NOT],
}
REFUSED_TO_ALL = {"DEBUG", "MODULE"}
"""Refused before users are checked."""


def as_sent(command):
    """Split a command into words; EVAL and its kind need the number of keys behind."""
    return [*command.split(), "0"] if command.startswith("EVAL") else command.split()


@pytest.mark.parametrize("user", REFUSED)
def test_each_user_is_refused_what_it_must_not_do(redis, user):
    with contextlib.closing(redis.client(user)) as client:
        answers = {command: answer_to(client, command) for command in REFUSED[user]}
    not_refused = {
        command: answer
        for command, answer in answers.items()
        if not isinstance(answer, ResponseError if command.split()[0] in REFUSED_TO_ALL else NoPermissionError)
    }
    assert not_refused == {}


def answer_to(client, command):
    """Return what the server says to a command, an error too."""
    try:
        return client.execute_command(*as_sent(command))
    except ResponseError as error:
        return error


def test_a_script_may_do_no_more_than_who_runs_it(redis):
    with contextlib.closing(redis.client("worker")) as worker:
        sha = worker.script_load("return redis.call('HGETALL', 'ce:apikeys')")
        with pytest.raises(RedisError, match=r"ACL|permission|NOPERM"):
            worker.evalsha(sha, 0)


def test_who_watches_sees_what_waits(redis, walked):
    with contextlib.closing(redis.client("watch")) as watch:
        assert watch.zcard("ce:{0}:due:timer") >= 1
        assert watch.hgetall("ce:workers")
        assert watch.smembers("rq:workers")
        assert watch.zcount("ce:{0}:due:timer", "-inf", "+inf") >= 0
        assert watch.info("memory")


# -- logins that are refused ------------------------------------------------------------------------------------------


def test_without_a_user_or_with_a_wrong_password_nobody_comes_in(redis):
    for login in ("", "default:@", "consent-api:wrong@", "consent-api:@", "default:api-pass-1@"):
        url = redis.url("api").replace(f"consent-api:{PASSWORDS['api']}@", login)
        with contextlib.closing(connect(url)) as client, pytest.raises(AuthenticationError):
            client.ping()


def test_without_tls_or_with_another_authority_nobody_is_spoken_to(over_tls, walked):
    redis = over_tls
    with_another = redis.url("api").partition("?")[0]
    for url in (with_another.replace("rediss://", "redis://"), with_another):
        with contextlib.closing(connect(url)) as client, pytest.raises(RedisError):
            client.ping()
    context = ssl.create_default_context(cafile=str(redis.folder / "tls" / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", redis.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as spoken,
    ):
        assert spoken.version() == "TLSv1.3"
    with contextlib.closing(redis.client("boss")) as boss:
        assert boss.config_get("tls-protocols")["tls-protocols"] == "TLSv1.2 TLSv1.3"
        assert boss.config_get("port")["port"] == "0", "there is no other door"


def test_a_certificate_that_is_not_accepted_is_named_and_no_server_is_looked_for_that_is_up(home, over_tls):
    """One that has expired looks the same: at that hour every process loses its Redis, and Redis is well."""
    address = over_tls.url("api")
    for url, told in (
        (address.partition("?")[0], "certificate is not accepted: self-signed certificate in certificate chain"),
        (address.replace("ca.crt", "gone.crt"), "a file that its address names is not there"),
    ):
        environ = home.environ | {"CONSENT_REDIS_URL": url, "CONSENT_RQ_URL": url}
        for done, times in (
            (process(["-m", "workers"], environ, home), 1),
            (typed("doctor", environ=environ, folder=home.folder, seconds=HANGS_S), 2),
        ):
            assert done.returncode != 0, done
            lines = [line for line in (done.stdout + done.stderr).splitlines() if told in line]
            assert len(lines) == times, done
            assert PASSWORDS["api"] not in done.stdout + done.stderr
            assert "certificate" not in told or "PING: is it up" not in done.stdout + done.stderr


def process(arguments, environ, home):
    """Run Python to its end."""
    return subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, text=True, timeout=HANGS_S,
                          cwd=home.folder, check=False)  # fmt: skip


@pytest.mark.parametrize(("user", "password"), [("api", "wrong-pass-9"), ("watch", PASSWORDS["watch"])])
def test_what_cannot_work_with_this_user_ends_and_tells_no_password(home, redis, user, password):
    environ = home.environ | {"CONSENT_REDIS_URL": redis.url(user, password)}
    for done in (
        process(["-m", "workers"], environ, home),
        process(["-m", "consent_engine", "api", "--port", str(free_port())], environ, home),
        typed("stuck", environ=environ, folder=home.folder, seconds=HANGS_S),
    ):
        assert done.returncode != 0, done
        assert password not in done.stdout + done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done


def test_doctor_finds_that_a_user_may_not(home, redis):
    home.environ["CONSENT_REDIS_URL"], kept = redis.url("watch"), home.environ["CONSENT_REDIS_URL"]
    done = home.command("doctor")
    home.environ["CONSENT_REDIS_URL"] = kept
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("bad")]
    assert "NoPermission" in done.stdout or "users.acl" in done.stdout
    assert PASSWORDS["watch"] not in done.stdout + done.stderr


def test_the_users_file_as_it_is_here_starts_no_server(tmp_path):
    """Its passwords are placeholders: nobody runs on published ones by mistake."""
    command = [needs.server(), "--port", "0", "--aclfile", DEPLOY / "users.acl", "--dir", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode != 0


def test_it_all_still_works_at_the_end(home, walked):
    assert call("GET", f"{home.api}/readyz")[0] == HTTPStatus.OK
