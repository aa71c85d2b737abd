"""Writes the settings reference from the code. `python docs/settings.py` prints it, `--write` puts it into the docs."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from consent_engine.adapters.bss.registry import BSS
from consent_engine.adapters.gateways.registry import GATEWAYS
from consent_engine.api.web.single_sign_on import BACK, OUT
from consent_engine.config.environment import PREFIX
from consent_engine.config.settings import Settings
from consent_engine.config.values import written
from consent_engine.domain.carriers import CARRIERS


def _names(adapters: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(adapters))


def _each(setting: str) -> str:
    return " ".join(f"{setting}_{name}" for name in CARRIERS)


PAGE = Path(__file__).with_suffix(".md")
MEANS = {
    "redis_url": "Where the data are. Without it: the embedded server in the data folder",
    "rq_url": "RQ's own Redis, preferably without AOF. Default: where the data are",
    "data_dir": "The folder of the embedded server's files and of the generated secret",
    "archive_url": "Where settled orders go, `sqlite:////PATH` or `postgresql://...`; else a file in the data folder",
    "keep_service": "How long after settling the person parts of orders that led to a service are kept; 153d at least",
    "keep_no_service": "The same for orders that led to none; 153d at least",
    "keep_records": "How long the history without its person parts is kept; 1096d at least",
    "shadow": "`true`: all is done but SMS and calls to the BSS, which are only written down, beside the system that "
    "does them ([shadow.md](shadow.md)); settled by the first start on new data",
    "secret": "Key of the hashes by which numbers are found. Generated in the data folder; required with a Redis URL",
    "person_keys": "Keys that persons are encrypted under, with blanks between: the first closes, all open. `secret` "
    "is the one made from `CONSENT_SECRET` ([a new key](security.md#a-new-key-for-persons))",
    "durability": "`strict`: an answer once it is on disk. `everysec`: a power loss may lose the last second",
    "replicas": "On how many replicas a write must be proven as well",
    "gateway": f"The SMS gateway: {_names(GATEWAYS)}, or `NAME:BOX` ([gateways.md](gateways.md)); or several with "
    "commas between: each has the SMS while all before it are away or stopped. `simulated` on the embedded server, "
    "else required",
    **{f"gateway_{name}": f"Another gateway, or several, for {each.english}" for name, each in CARRIERS.items()},
    "bss": f"The BSS: {_names(BSS)}, or `NAME:BOX`. `templated` is any that speaks HTTP, described by a file "
    "([bss.md](bss.md)). `simulated` on the embedded server, else required",
    **{
        f"sender_{name}": f"The number that sends SMS of {each.english}; begins with {each.outbound} or {each.hotline}"
        for name, each in CARRIERS.items()
    },
    "plans": "YAML file of plans, loaded at start; a plan that differs from its current version stops the start. "
    "`sample`: the bundled ones, the default on the embedded server and where a gateway or the BSS is simulated",
    "plan_approval": "`on`: a plan that an admin puts on sale is a proposal until another admin approves it",
    "publication": "`checked`: a plan is sold while each channel's page carries its hash and all its fields. `stated`: "
    "its admin's word is enough",
    "tariff_hosts": "Hosts whose tariff pages may be fetched, separated by commas; `http://HOST` for one without TLS",
    "tariff_templates": "YAML file: how the pages of a host are read ([plans.md](plans.md))",
    "reply_window": "How long a yes counts, from the question's hand-over, or its delivery where the gateway reports",
    "confirm_within": "How long after placing the question may be handed over; later the order expires unasked",
    "reminder_after": "Hand-over to reminder; `off` for none. Default: the smaller of 12h and half the window",
    "resend_max": "How often the question may be sent again on request",
    "cool_off": "How long a plan is not offered again to subscribers who declined it: a duration; unset: for ever",
    "free_exit": "Cooling-off: how long after its activation a service may be ended without the plan's early fee; "
    "unset: never",
    "suspect_replies": "A yes that no person can have written. `code`: one SMS asks for YES with the order's code. "
    "`hold`: a person decides. `off`: it is taken ([replies.md](replies.md))",
    "reading_speed": "The most characters a second that a person can read: a yes that comes sooner is suspect",
    "cadence": "How many other numbers of one agent must have answered in the same cadence to make a yes suspect; 0: "
    "off, as where CONSENT_READING_SPEED is above 500",
    "review": "`before`: no activation before its call has passed its review. `after`: only a failed review bars it",
    "review_command": "A command that reviews each recorded call first ([reviews.md](reviews.md))",
    "review_sample": "The share of calls passed by that command that people still hear",
    "recording_url": "Where `/review` plays a recording, like `https://recordings.example.com/{ref}.mp3`",
    "permits": "`required`: a call without a permit is a violation. `checked`: a call is judged as a permit request is",
    "permit_lasts": "How long a permit to dial is valid; 24h at most, and never into quiet hours",
    "call_age": "How old the subscriber's yes on the telephone may be when its order is placed",
    "calls_a_day": "How many calls a day to one number are allowed; after that, permits and callable say `too_often`",
    "quiet_hours": "When permits are denied and SMS that can wait are held, like `22:00-08:00 Asia/Shanghai`",
    "time_zone": "Where days begin, everywhere: calls a day, the days of lists and counts, when a report is due",
    "calendar": "YAML of holidays and working weekends, like the bundled `consent_engine/calendar_china.yaml`: "
    "China's of 2025 and 2026",
    "report_codes": "How many codes the public door of reports sends in an hour, to all numbers together; a network "
    "has a tenth",
    **{
        f"reward_{name}": f"The reward for reporting a forbidden call of {each.english}: yuan, and how many per "
        "number and month: `20.00 3/month`"
        for name, each in CARRIERS.items()
    },
    "retry_base": "The first pause before another try; doubles, with full jitter",
    "retry_max": "The longest pause",
    "max_attempts": "Limits doubtful attempts and lost leases; what is surely not accepted is tried until the deadline",
    "uncertain_hold": "How long a doubtful SMS waits for a report before it is sent once more",
    "lease": "How long a worker may hold an effect; must be longer than a call",
    "call_timeout": "How long a call to a gateway or the BSS may last",
    "in_flight": "Calls in flight, per worker: to each gateway, and to the BSS",
    "cells": "Slices of subscribers; above 1 on a Redis Cluster only",
    "log_format": "`text`: lines for people. `json`: one object per line, with its subject in separate fields",
    "log_level": "The lowest level logged: `debug`, `info`, `warning`, `error`. `info` has one line for each event",
    "public_url": "The address at which gateways and browsers reach the engine",
    "metrics_addr": "A separate HOST:PORT for `/metrics`; each worker serves its own at the first free port behind it",
    "log_key": "The Ed25519 keys of the public log (`consent log key`), the present one first, former ones behind it. "
    "Generated in the data folder; where several machines publish, all have the same",
    "log_dir": "The folder of the log's files (C2SP tlog-tiles), which any web server can serve; else `log` in "
    "the data folder",
    "spool": "A folder on a disk that outlives the process, for the API: while the store is away, gateways' posts are "
    "kept there and acknowledged, and nothing begins until they are stored; without it they get 503: durability.md",
    "witnesses": "Witnesses that cosign the log, `URL KEY`, with commas between; more than half must sign in time",
    "tsa_url": "An RFC 3161 time stamp authority, which stamps each checkpoint; needs the extra `tsa`",
    "pdf_key": "A PKCS #12 file with the certificate that signs the PDF of an order's evidence (PAdES); needs the "
    "extra `pdf`",
    "pdf_passphrase": "What opens that file",
    "traces": "The address of an OpenTelemetry collector, `http://HOST:4318/v1/traces`; needs the extra `traces`",
}


GROUPS = {
    "For everybody": (
        "secret redis_url rq_url archive_url data_dir replicas gateway bss public_url reply_window quiet_hours review"
    ),
    "For sales: plans, questions, calls": (
        "plans plan_approval publication tariff_hosts tariff_templates confirm_within reminder_after resend_max "
        "cool_off free_exit call_age calls_a_day permits permit_lasts suspect_replies reading_speed cadence"
    ),
    "For compliance: reviews, reports, retention, calendar": (
        f"shadow review_command review_sample recording_url report_codes {_each('reward')} person_keys "
        "keep_service keep_no_service keep_records time_zone calendar log_key log_dir witnesses tsa_url pdf_key "
        "pdf_passphrase"
    ),
    "For several carriers": f"{_each('gateway')} {_each('sender')}",
    "For many machines, and for watching them": "durability cells spool log_format log_level metrics_addr traces",
    "Tuning: the defaults fit, until a figure says otherwise": (
        "call_timeout lease in_flight max_attempts retry_base retry_max uncertain_hold"
    ),
}
"""Settings by their readers; every installation needs the first group."""


SUFFIXES = {
    "URL": ("each", "Its address"),
    "SECRET": ("each", "The secret with which both sides sign"),
    "OLD_SECRET": ("gateways", "The secret before: posts with it are taken, too, while both sides change it"),
    "USERNAME`, `__PASSWORD`, `__CALLBACK_URL": (
        "Kannel, gateways of a file",
        "Its account, and where it reports: [kannel.md](kannel.md), [gateways.md](gateways.md)",
    ),
    "SUB_NUMBERS": ("gateways", "`true`: replies to our number with digits appended reach us: each order has its own"),
    "SKEW": ("gateways", "How far the stamps of its replies may lag, 10m at most"),
    "REPORTS": (
        "gateways",
        (
            "`true` only for one that reports for *every* SMS when it is on the handset: the reply window begins then, "
            "and a yes before is suspect ([replies.md](replies.md))"
        ),
    ),
    "SEGMENTS": (
        "gateways",
        ("How many segments of one text it carries whole (255); a plan or an order with a longer one is refused"),
    ),
    "RATE": (
        "gateways",
        (
            "How many SMS a second it may get at most, from all workers together (no limit): a whole number; a long "
            "text counts once. No second has more; while more is due, 97 % of it. What exceeds it waits; "
            "while more waits than it may get in half of `CONSENT_CONFIRM_WITHIN`, new orders get 503 `busy`. Where it "
            "answers 429, it gets half (without a rate, of 1,000), and a tenth more every 10 s. At least "
            "`CONSENT_CELLS`: each has its share"
        ),
    ),
    "CAN_ASK": (
        "the BSS `http`",
        "`true` where it answers `GET URL/activations/{order_id}`: it is asked after a doubt",
    ),
    "MAPPING": ("each `templated`", "The file that describes it: [bss.md](bss.md), [gateways.md](gateways.md)"),
    "CERTIFICATE`, `__KEY`, `__PASSPHRASE`, `__CA": (
        "the BSS, gateways of a file",
        "The certificate that we show it (mTLS), and the authorities of its own: files in PEM ([bss.md](bss.md))",
    ),
    "CAN_LOOK_UP": (
        "the BSS",
        (
            "`true` where it answers `POST URL/subscribers/lookup`: it is asked for the holder of a number at the "
            "door, and before each activation ([decision 9](decisions/0009-one-gate.md))"
        ),
    ),
}
"""A suffix to the name of a gateway or BSS, those that have it, its meaning."""


OIDC = {
    "ISSUER": ("-", "The provider's https address, exactly as it calls itself"),
    "CLIENT_ID": ("-", "The engine's client id at the provider"),
    "CLIENT_SECRET": ("-", "The secret that belongs to it"),
    "ROLES": (
        "-",
        "`CLAIM:VALUE=ROLE`, separated by commas: `groups:staff=ops,realm_access.roles:desk=agent`. The first match",
    ),
    "NAME": ("`sub`", "The claim shown in orders and events as `oidc/NAME`: its value must be one person's for ever"),
    "AGENT": (
        "-",
        "The claim with a person's agent number, like `staff.agent`: they act for it and review none of its calls",
    ),
    "TEAM": (
        "-",
        (
            "The claim with the team of an agent or a supervisor: a supervisor's `/board` shows the agents who signed "
            "in as of it, or else whose newest API key is; if not set, all"
        ),
    ),
    "SESSION": (
        "`8h`",
        (
            "How long a sign-in lasts, with the roles it began with, at most 12h (`30m`: checked more often); "
            f"ended sooner by back-channel logout to `<CONSENT_PUBLIC_URL>{OUT}`"
        ),
    ),
    "SCOPE": ("`openid profile`", "The requested scopes; must include `openid`"),
}


def reference() -> str:
    """The page."""
    tables = [line for group, names in GROUPS.items() for line in (f"## {group}", "", *HEAD, *_rows(names), "")]
    return "\n".join(
        [
            "# Settings",
            "",
            "From the environment, else from `.env`. A wrong or missing value stops the start with one line naming it.",
            "A value may stand in a file that `NAME_FILE` names: `CONSENT_SECRET_FILE=/run/secrets/consent`; under",
            "systemd `LoadCredential=secret:/etc/consent/secret` and `CONSENT_SECRET_FILE=%d/secret`.",
            "Durations: `500ms` `90s` `2.5s` `15m` `2h` `1d`. `consent settings` prints the values and their sources.",
            f"Most installations need the first {len(GROUPS['For everybody'].split())}, and their gateway's and BSS'.",
            "",
            *tables,
            "## For each gateway and BSS",
            "",
            "Under its name: `CONSENT_HTTP_JSON__URL`, `CONSENT_KANNEL__URL`, `CONSENT_BSS_HTTP__URL`; a second one of",
            "a kind, `http_json:box`, under `CONSENT_HTTP_JSON_BOX__`. Requests and answers: [wire.md](wire.md).",
            "",
            "| Suffix | Of | Means |",
            "|---|---|---|",
            *(f"| `__{name}` | {of} | {means} |" for name, (of, means) in SUFFIXES.items()),
            "",
            "## For sign-in with an OpenID provider",
            "",
            "`pip install 'sms-consent-engine[oidc]'`, and `CONSENT_PUBLIC_URL`: browsers come back to",
            f"`<CONSENT_PUBLIC_URL>{BACK}`, which the provider must know.",
            "",
            *HEAD,
            *(f"| `CONSENT_OIDC__{name}` | {default} | {means} |" for name, (default, means) in OIDC.items()),
            "",
        ]
    )


HEAD = ("| Variable | Default | Means |", "|---|---|---|")


def _rows(names: str) -> list[str]:
    return [f"| `{PREFIX}{name.upper()}` | {_default(name)} | {MEANS[name]} |" for name in names.split()]


def _default(name: str) -> str:
    field: FieldInfo = Settings.model_fields[name]
    if field.default_factory is not None:
        return "-"
    if name == "data_dir":
        return "`./var`"
    if field.default is None:
        return "-"
    if isinstance(field.default, SecretStr):
        return f"`{field.default.get_secret_value()}`"
    return f"`{written(field.default) if isinstance(field.default, timedelta) else field.default}`"


def main() -> None:
    """Print the page, or write it."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(reference(), encoding="utf-8")
    else:
        print(reference())


if __name__ == "__main__":
    main()
