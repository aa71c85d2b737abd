"""The settings: what is read, what stops the start, and what is never shown."""

import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from pydantic import TypeAdapter

from consent_engine.config.data_folder import kept_secret, private_folder
from consent_engine.config.settings import Settings, warnings
from consent_engine.config.urls import SentinelAddress
from consent_engine.config.values import RedisUrl, duration
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.offer.address import PLAIN
from consent_engine.errors import SettingsError
from consent_engine.wiring import installation, outside, terms
from tests.waiting import HANGS_S

SECRET = "a-secret-nobody-may-see-0123456789"
REMOTE = {
    "CONSENT_REDIS_URL": "redis://:pass-word@redis.example:6379/0",
    "CONSENT_SECRET": SECRET,
    "CONSENT_GATEWAY": "http_json",
    "CONSENT_BSS": "http",
}


def load(**variables):
    return Settings.load({f"CONSENT_{name}": value for name, value in variables.items()}, env_file=None)


def remote(**variables):
    return Settings.load(REMOTE | {f"CONSENT_{name}": value for name, value in variables.items()}, env_file=None)


def complaint(**variables):
    with pytest.raises(SettingsError) as caught:
        load(**variables)
    return str(caught.value)


def test_nothing_set_means_the_embedded_server_and_the_contracts_defaults():
    settings = load()
    assert settings.embedded
    assert settings.durability == "strict"
    assert settings.data_dir.name == "var"
    assert settings.data_dir.is_absolute()
    assert settings.reply_window == timedelta(hours=24)
    assert settings.reminder_after == timedelta(hours=12)
    assert settings.routes() == dict.fromkeys(CARRIERS, ("simulated",))
    assert settings.bss_name() == "simulated"
    assert settings.senders() == {name: each.outbound for name, each in CARRIERS.items()}
    assert (settings.permits, settings.permit_lasts) == ("checked", timedelta(minutes=15))
    assert warnings(settings) == []


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("90s", 90_000), ("2.5s", 2_500), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)],
)
def test_durations_are_read_as_people_write_them(text, milliseconds):
    assert duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    "text", ["", "90", "s", "-1s", "1 h", "1h30m", "0s", "0.1ms", "400d", "off", "1e3s", "٣s", "9" * 40 + "s"]
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match=r"duration|at least"):
        duration(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REPLY_WINDOW", "soon"),
        ("REPLY_WINDOW", "off"),
        ("CONFIRM_WITHIN", "0s"),
        ("DURABILITY", "mostly"),
        ("REPLICAS", "-1"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_ATTEMPTS", "five"),
        ("IN_FLIGHT", "0"),
        ("CELLS", "2"),
        ("QUIET_HOURS", "22:00-08:00 Nowhere/City"),
        ("QUIET_HOURS", "22:00-22:00 Asia/Shanghai"),
        ("PERMITS", "maybe"),
        ("PLAN_APPROVAL", "perhaps"),
        ("PERMIT_LASTS", "25h"),
        ("GATEWAY", "Twilio!"),
        ("SENDER_MOBILE", "+10085"),
        ("SENDER_TELECOM", "10085"),
        ("SENDER_UNICOM", "10000"),
        ("PLANS", "/there/is/no/such.yaml"),
        ("PUBLIC_URL", "consent.example.com"),
        ("METRICS_ADDR", "9100"),
        ("METRICS_ADDR", "localhost:99999"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://redis.example:6379/first"),
        ("REDIS_URL", "redis://redis.example:6379/0?nonsense=1"),
        ("REDIS_URL", "redis://redis.example:6379/0?socket_timeout=soon"),
        ("REDIS_URL", "rediss://redis.example:6379/0?ssl_ca_cert=/misspelt.crt"),
        ("REDIS_URL", "redis://redis.example:6379/0?ssl_ca_certs=/no-tls.crt"),
        ("REDIS_URL", "redis+cluster://a:1,:2"),
        ("REDIS_URL", "redis+sentinel://a:1,b:2"),
        ("REDIS_URL", "redis+sentinel://a:1,b:2/"),
        ("REDIS_URL", "redis+sentinel:///mymaster"),
        ("REDIS_URL", "redis+sentinel://a:1,,b:2/mymaster"),
        ("REDIS_URL", "redis+sentinel://a:no,b:2/mymaster"),
        ("REDIS_URL", "redis+sentinel://a:0/mymaster"),
        ("REDIS_URL", "redis+sentinel://a:99999/mymaster"),
        ("REDIS_URL", "redis+sentinel://a:1/mymaster/x"),
        ("REDIS_URL", "redis+sentinel://a:1/mymaster/-1"),
        ("REDIS_URL", "redis+sentinel://a:1/mymaster?sentinel_pasword=s"),
        ("REDIS_URL", "redis+sentinel://u:p/q@a:1/mymaster"),
        ("REDIS_URL", "redis+sentinel://u:p#q@a:1/mymaster"),
        ("RQ_URL", "redis+sentinel://a:1"),
        ("RQ_URL", "redis+cluster://a:1,b:2"),
        ("RQ_URL", "localhost:6379"),
        ("LEASE", "10s"),
        ("RETRY_MAX", "1s"),
        ("REMINDER_AFTER", "24h"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(name, value):
    line = complaint(**{name: value})
    assert line.startswith(f"CONSENT_{name} ")
    assert "\n" not in line


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:26379,b:26380,c/mymaster",
        "redis+sentinel://engine:p%40ss%2Fword@a:26379/my-master/3",
        "redis+sentinel://:pass@[::1]:26379,10.0.0.2/m/0?sentinel_user=u&sentinel_password=s%26t",
    ],
)
def test_a_redis_behind_sentinel_is_named_by_its_sentinels(url):
    settings = remote(REDIS_URL=url, RQ_URL=url, REPLICAS="2")
    assert (settings.redis_url, settings.rq_url) == (url, url)


def test_what_a_sentinel_address_says():
    at = SentinelAddress.read("redis+sentinel://:pass@[::1]:26380,h/m/3?sentinel_user=u&sentinel_password=s%26t")
    assert (at.sentinels, at.name, at.database) == ((("::1", 26380), ("h", 26379)), "m", 3)
    assert (at.user, at.password, at.sentinel_user, at.sentinel_password) == (None, "pass", "u", "s&t")
    assert "pass" not in repr(at)
    assert "s&t" not in repr(at)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://u:TOPSECRET@a:x/m",
        "redis+sentinel://u:TOPSECRET/@a:1/m",
        "redis+sentinel://u:TOPSECRET@a:1",
        "redis+sentinel://u:TOPSECRET@a:1/m/x",
        "redis+sentinel://a:1/m?password=TOPSECRET",
    ],
)
def test_what_is_wrong_with_a_sentinel_address_is_said_without_its_password(url):
    assert "TOPSECRET" not in complaint(REDIS_URL=url)


@pytest.mark.parametrize("missing", ["CONSENT_SECRET", "CONSENT_GATEWAY", "CONSENT_BSS"])
def test_a_redis_of_ones_own_needs_everything_named(missing):
    with pytest.raises(SettingsError, match=rf"^{missing}[^,]* is required"):
        Settings.load({name: value for name, value in REMOTE.items() if name != missing}, env_file=None)


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(SettingsError, match=r"^CONSENT_SECRET \(.*\), CONSENT_GATEWAY, CONSENT_BSS are required"):
        Settings.load({"CONSENT_REDIS_URL": REMOTE["CONSENT_REDIS_URL"]}, env_file=None)


def test_a_gateway_for_each_carrier_does_instead_of_one_for_all():
    served = {carrier: ("kannel", f"http_json:box{n}") for n, carrier in enumerate(CARRIERS)}
    named = {f"GATEWAY_{carrier.upper()}": ", ".join(gateways) for carrier, gateways in served.items()}
    assert remote(GATEWAY="", **named).routes() == served
    last, _ = named.popitem()
    assert complaint(**{last: "kannel,kannel"}) == f"CONSENT_{last} must name each gateway once"
    with pytest.raises(SettingsError, match=rf"^CONSENT_{last} is required"):
        remote(GATEWAY="", **named)


def test_replicas_are_proven_only_in_the_strict_profile_and_not_on_our_own_server():
    assert remote(REPLICAS="1").replicas == 1
    assert complaint(REPLICAS="1").startswith("CONSENT_REPLICAS ")
    with pytest.raises(SettingsError, match=r"^CONSENT_REPLICAS "):
        remote(REPLICAS="1", DURABILITY="everysec")


def test_a_sender_may_be_longer_than_the_carriers_number_and_may_be_its_hotline():
    own = {"mobile": "1008612345", "telecom": "100012", "unicom": "10010"}
    senders = load(**{f"SENDER_{carrier.upper()}": sender for carrier, sender in own.items()}).senders()
    assert senders.items() >= own.items()


def test_the_reminder_follows_a_shorter_window_and_may_be_off():
    assert load(REPLY_WINDOW="6h").reminder_after == timedelta(hours=3)
    assert load(REMINDER_AFTER="off").reminder_after is None
    assert load(REMINDER_AFTER="90s").reminder_after == timedelta(seconds=90)


def test_the_policy_is_what_the_settings_say():
    policy = load(
        REPLY_WINDOW="3s", CONFIRM_WITHIN="2.5s", RETRY_BASE="50ms", RETRY_MAX="1s", MAX_ATTEMPTS="7"
    ).policy()
    assert (policy.reply_window, policy.confirm_within, policy.retry_base, policy.retry_max) == (3000, 2500, 50, 1000)
    assert policy.max_attempts == 7
    assert policy.uncertain_hold == 600_000


def test_gateways_and_bss_find_their_own_settings():
    settings = load(HTTP_JSON__URL="https://a.example", HTTP_JSON_BOX2__SECRET="s", BSS_HTTP__CAN_ASK="true")
    assert settings.of("HTTP_JSON") == {"URL": "https://a.example"}
    assert settings.of("HTTP_JSON_BOX2") == {"SECRET": "s"}
    assert settings.of("BSS_HTTP") == {"CAN_ASK": "true"}
    assert settings.of("KANNEL") == {}


def test_a_variable_that_is_none_of_ours_is_told_with_what_may_have_been_meant():
    settings = load(REPLY_WINDW="1h", TESTS_REQUIRE="all")
    assert settings.unknown == ("CONSENT_REPLY_WINDW",)
    assert warnings(settings) == ["CONSENT_REPLY_WINDW is not a setting: did you mean CONSENT_REPLY_WINDOW?"]


def test_addresses_of_single_commands_are_no_mistakes():
    assert warnings(load(BACKUP_FROM="d")) == []


def test_nothing_far_off_is_guessed():
    assert warnings(load(TYPO="x")) == ["CONSENT_TYPO is not a setting"]


def test_settings_of_a_gateway_nobody_uses_are_told():
    assert warnings(load(HTP_JSON__URL="x")) == ["CONSENT_HTP_JSON__* belongs to no gateway and no BSS in use"]
    assert warnings(load(SIMULATED__SECRET="x", BSS_SIMULATED__SECRET="x")) == []


def test_a_local_archive_beside_a_redis_of_many_machines_is_told():
    assert any(line.startswith("CONSENT_ARCHIVE_URL is not set") for line in warnings(remote()))
    assert warnings(remote(ARCHIVE_URL="postgresql://there/consent")) == []


def test_a_short_secret_is_told_and_not_shown():
    (line,) = warnings(load(SECRET="brief"))
    assert line.startswith("CONSENT_SECRET is short")
    assert "brief" not in line


def test_no_secret_is_in_what_we_print():
    shown = repr(remote(HTTP_JSON__SECRET="their-secret"))
    for secret in (SECRET, "pass-word", "their-secret"):
        assert secret not in shown


@pytest.mark.parametrize("options", ["?ssl_ca_certs=/etc/ca.crt", "/?max_connections=9", "/1?socket_timeout=3"])
def test_options_that_a_connection_takes_may_follow_its_address(options):
    url = f"rediss://:pass@host:6379{options}"
    assert TypeAdapter(RedisUrl).validate_python(url) == url


@pytest.mark.parametrize(
    "url", ["redis://:pa/ss@host:6379/0", "redis://u:p[a@host", "redis://:pa℀ss@host", "redis://:pass@host:x"]
)
def test_a_broken_address_is_not_quoted_for_a_password_may_be_in_it(url):
    line = complaint(REDIS_URL=url, SECRET=SECRET)
    assert line.startswith("CONSENT_REDIS_URL ")
    assert "pa" not in line.replace("password", "")


def test_the_environment_wins_over_the_file_and_empty_is_unset(tmp_path):
    file = tmp_path / ".env"
    file.write_text("CONSENT_IN_FLIGHT=7\nCONSENT_CELLS=\nCONSENT_MAX_ATTEMPTS=9\nOTHER=1\nCONSENT_SECRET='a${b}c'\n")
    settings = Settings.load({"CONSENT_IN_FLIGHT": "8", "CONSENT_BSS": " "}, env_file=file)
    assert (settings.in_flight, settings.max_attempts, settings.cells, settings.bss) == (8, 9, 1, None)
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "a${b}c"


def test_every_value_may_stand_in_a_file_that_a_variable_names(tmp_path):
    for name, value in {"secret": SECRET, "password": "of-the-gateway", "url": "redis://:pass-word@h:1/0"}.items():
        (tmp_path / name).write_text(f"{value}\n")
    settings = Settings.load(
        {
            "CONSENT_SECRET_FILE": str(tmp_path / "secret"),
            "CONSENT_REDIS_URL_FILE": str(tmp_path / "url"),
            "CONSENT_KANNEL__PASSWORD_FILE": str(tmp_path / "password"),
            "CONSENT_GATEWAY": "kannel",
            "CONSENT_BSS": "http",
        },
        env_file=None,
    )
    assert settings.secret_for(tmp_path) == SECRET
    assert settings.redis_url == "redis://:pass-word@h:1/0"
    assert settings.of("KANNEL") == {"PASSWORD": "of-the-gateway"}
    assert [line for line in warnings(settings) if "_FILE" in line] == []


def test_a_value_beside_its_file_wins_and_a_later_source_over_an_earlier_one(tmp_path):
    kept, given = tmp_path / "kept", tmp_path / "given"
    kept.write_text("kept")
    given.write_text("given")
    file = tmp_path / ".env"
    file.write_text(f"CONSENT_SECRET_FILE={kept}\n")
    own = {"CONSENT_SECRET": "own", "CONSENT_SECRET_FILE": str(given)}
    assert Settings.load(own, file).secret_for(tmp_path) == "own"
    assert Settings.load({"CONSENT_SECRET_FILE": str(given)}, file).secret_for(tmp_path) == "given"
    file.write_text("CONSENT_SECRET=kept\n")
    assert Settings.load({"CONSENT_SECRET_FILE": str(given)}, file).secret_for(tmp_path) == "given"


@pytest.mark.parametrize(("written", "wrong"), [(None, "a file that can not be read"), (" \n", "an empty file")])
def test_a_file_without_a_value_stops_the_start_with_the_variable(tmp_path, written, wrong):
    file = tmp_path / "secret"
    if written is not None:
        file.write_text(written)
    assert complaint(SECRET_FILE=str(file)) == f"CONSENT_SECRET_FILE names {wrong}"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / ".env").write_bytes(b"CONSENT_BSS=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env can not be read"):
        Settings.load({}, env_file=tmp_path / ".env")


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load().in_flight = 3


def test_a_given_secret_is_used_and_nothing_is_written(tmp_path):
    assert load(SECRET=SECRET).secret_for(tmp_path / "data") == SECRET
    assert not (tmp_path / "data").exists()


def test_the_kept_secret_is_made_once_and_private(tmp_path):
    folder = tmp_path / "data"
    secret = load().secret_for(folder)
    assert len(secret) >= 40
    assert kept_secret(folder) == secret
    assert [entry.name for entry in folder.iterdir()] == ["secret"]
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_processes_that_start_together_agree_on_the_secret(tmp_path):
    code = "import sys, pathlib as p, consent_engine.config.data_folder as d; print(d.kept_secret(p.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(6)]
    assert len({process.communicate(timeout=HANGS_S)[0] for process in running}) == 1


@pytest.mark.parametrize("data", ["appendonlydir", "archive.sqlite3"])
def test_no_secret_is_made_where_data_are_without_theirs(tmp_path, data):
    folder = private_folder(tmp_path / "data")
    (folder / data).mkdir()
    for _ in range(2):
        with pytest.raises(SettingsError, match=f"secret is missing, and {data} needs it"):
            load().secret_for(folder)
    assert [entry.name for entry in folder.iterdir()] == [data]
    assert load(SECRET=SECRET).secret_for(folder) == SECRET
    (folder / "secret").write_text("the one that was away\n")
    assert load().secret_for(folder) == "the one that was away"


def test_whoever_comes_while_another_writes_its_first_data_is_not_turned_away(tmp_path):
    def come(folder, together):
        together.wait()
        secret = kept_secret(folder)
        (folder / "appendonlydir").mkdir(exist_ok=True)
        return secret

    with ThreadPoolExecutor(4) as threads:
        for n in range(250):
            together = Barrier(4)
            assert len(set(threads.map(come, [tmp_path / f"data-{n}"] * 4, [together] * 4))) == 1


def test_an_empty_secret_is_not_taken_for_one(tmp_path):
    (tmp_path / "secret").touch()
    with pytest.raises(SettingsError, match="is empty: restore it"):
        kept_secret(tmp_path)


def test_a_folder_with_other_things_in_it_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "theirs").touch()
    with pytest.raises(SettingsError, match="other users have access to it"):
        private_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "var").touch()
    with pytest.raises(SettingsError, match=r"^CONSENT_DATA_DIR "):
        private_folder(tmp_path / "var")


def test_quiet_hours_are_minutes_of_the_utc_day():
    policy = Settings.load({"CONSENT_QUIET_HOURS": "22:00-08:00 Asia/Shanghai"}, env_file=None).policy()
    assert (policy.quiet_from, policy.quiet_to) == (14 * 60, 0)
    midnight_in_shanghai = 1_764_000_000_000
    assert policy.quiet_until(midnight_in_shanghai) == midnight_in_shanghai + 8 * 3_600_000
    assert policy.quiet_until(midnight_in_shanghai + 9 * 3_600_000) == 0


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Sydney"])
def test_quiet_hours_in_a_zone_whose_clocks_change_stop_the_start(zone):
    """They were an hour off for half of the year: permits were given, and SMS sent, in the last or first quiet hour."""
    with pytest.raises(SettingsError, match=r"CONSENT_QUIET_HOURS.*clocks do not change"):
        load(QUIET_HOURS=f"22:00-08:00 {zone}")
    assert load(QUIET_HOURS="22:00-08:00 Etc/GMT-8").policy().quiet_to == 0
    assert load(QUIET_HOURS="22:00-08:00 Asia/Urumqi").policy().quiet_to == 2 * 60


def test_how_long_is_kept_may_be_many_years_and_is_never_below_its_floor():
    asked = {"CONSENT_KEEP_SERVICE": "1826d", "CONSENT_KEEP_NO_SERVICE": "153d", "CONSENT_KEEP_RECORDS": "3653d"}
    kept = Settings.load(asked, env_file=None).retention()
    day = 86_400_000
    assert (kept.service, kept.no_service, kept.records) == (1826 * day, 153 * day, 3653 * day)
    for name, too_short in (("SERVICE", "152d"), ("NO_SERVICE", "152d"), ("RECORDS", "1095d")):
        with pytest.raises(SettingsError, match=f"CONSENT_KEEP_{name}"):
            Settings.load({f"CONSENT_KEEP_{name}": too_short}, env_file=None)


def test_a_gateway_that_is_not_known_is_named_before_anything_is_started(tmp_path):
    for setting in ("GATEWAY", "GATEWAY_UNICOM"):
        settings = load(**{setting: "foo"}, DATA_DIR=str(tmp_path / "data"))
        with pytest.raises(SettingsError, match=f"^CONSENT_{setting}: unknown gateway"), installation(settings):
            pass
    assert not (tmp_path / "data").exists()


def test_a_plan_that_was_declined_is_offered_again_after_so_long_or_never_as_it_is_written():
    assert load(COOL_OFF="90d").policy().cool_off == 90 * 86_400_000
    assert load(COOL_OFF="ever").policy().cool_off == load().policy().cool_off == 0
    with pytest.raises(SettingsError, match="CONSENT_COOL_OFF"):
        load(COOL_OFF="0s")


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ("[a]", "must map host names to templates"), ("h: {}", "h: its template is"), ("h: 7", "h: its template must"),
        ("h: {colour: red}", "h: unknown: colour; known: within, charset"), ("h: {within: 'a b'}", "h: within must be"),
        ("h: {charset: klingon}", "h: charset is not a known"), ("h: {within: 7}", "h: within must be text"),
        ("h: {fields: [a]}", "h: fields must map names"), ("h: {fields: {a: 1}}", "h: fields must map"),
        ("{", "is not YAML"), (b"\xff", "is not text in UTF-8"),
        ("h: {within: a, within: b}", "has the name within twice"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_read_stops_the_start_with_its_host(tmp_path, told, wrong):
    file = tmp_path / "templates.yaml"
    file.write_bytes(told if isinstance(told, bytes) else told.encode())
    settings = Settings.load({"CONSENT_TARIFF_TEMPLATES": str(file)}, env_file=None)
    with pytest.raises(SettingsError, match=f"^CONSENT_TARIFF_TEMPLATES: templates.yaml: {re.escape(wrong)}"):
        settings.addresses()


def test_templates_are_read_by_host(tmp_path):
    file = tmp_path / "templates.yaml"
    file.write_text("WWW.10086.cn: {within: tariff}\nhall:8443: {beside: '/t/{code}.json', fields: {title: name}}\n")
    addresses = Settings.load({"CONSENT_TARIFF_TEMPLATES": str(file)}, env_file=None).addresses()
    assert addresses.template_of("https://www.10086.cn/a?b").within == "tariff"
    found = addresses.template_of("https://hall:8443/p")
    assert (found.json_of("p1", "h"), found.fields) == ("/t/p1.json", {"title": "name"})
    assert addresses.template_of("https://other/p") == PLAIN
    with pytest.raises(SettingsError, match="CONSENT_TARIFF_TEMPLATES"):
        Settings.load({"CONSENT_TARIFF_TEMPLATES": str(tmp_path / "none")}, env_file=None)


def test_every_gateway_of_a_list_is_there_and_a_question_rests_on_what_all_of_them_can_do():
    able = {"SIMULATED__SUB_NUMBERS": "true", "SIMULATED_TWO__SUB_NUMBERS": "true", "SIMULATED_TWO__SEGMENTS": "6"}
    listed = load(GATEWAY_MOBILE="simulated,simulated:two", GATEWAY_UNICOM="simulated,simulated:three", **able)
    assert outside(listed, SECRET).gateways.keys() == {"simulated", "simulated:two", "simulated:three"}
    assert (terms(listed, SECRET).sub_numbers, terms(listed, SECRET).segments["mobile"]) == ({"mobile", "telecom"}, 6)


def test_each_gateway_has_its_own_rate_and_in_a_cluster_one_that_can_be_shared_out():
    two = {"GATEWAY": "simulated", "GATEWAY_UNICOM": "simulated:box", "SIMULATED_BOX__RATE": "8", "BSS": "simulated"}
    cluster = {"REDIS_URL": "redis+cluster://redis.example:6379", "RQ_URL": "redis://redis.example:6380"}
    assert outside(load(**two), SECRET).rates == {"simulated:box": 8}
    routes = outside(load(**two, **cluster, CELLS="8", SECRET=SECRET), SECRET)
    assert [routes.route(each).rate for each in ("mobile", "unicom")] == [0, 8]
    with pytest.raises(SettingsError, match=r"^CONSENT_SIMULATED_BOX__RATE must be at least CONSENT_CELLS"):
        outside(load(**two, **cluster, CELLS="9", SECRET=SECRET), SECRET)
