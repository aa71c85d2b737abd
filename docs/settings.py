"""Writes the settings reference from the code. `python docs/settings.py` prints it, `--write` puts it into the docs."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from pydantic.fields import FieldInfo

from consent_engine.adapters.bss.registry import BSS
from consent_engine.adapters.gateways.registry import GATEWAYS
from consent_engine.api.web.single_sign_on import BACK, OUT
from consent_engine.config.durations import written
from consent_engine.config.environment import PREFIX
from consent_engine.config.settings import Settings
from consent_engine.domain.carriers import CARRIERS


def _names(adapters: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(adapters))


PAGE = Path(__file__).with_suffix(".md")
MEANS = {
    "redis_url": "Where the data are. Without it: the embedded server in the data folder",
    "rq_url": "RQ's own Redis; better one without AOF. Default: where the data are",
    "data_dir": "The embedded server's files, the secret that was made",
    "archive_url": "Where settled orders go, `sqlite:////PATH` or `postgresql://...`; else a file in the data folder",
    "keep_service": "How long after settling the person parts are kept of orders that led to a service; 153d at least",
    "keep_no_service": "The same of orders that led to none: what was asked and answered; 153d at least",
    "keep_records": "How long the history without its person parts is kept; 1096d at least",
    "secret": "Keys the hashes that numbers are found by. Made in the data folder; required with a Redis URL",
    "durability": "`strict`: answered only when the disk has it. `everysec`: a power loss may lose the last second",
    "replicas": "On how many replicas a write must be proven, too",
    "gateway": f"The SMS gateway: {_names(GATEWAYS)}, or `NAME:BOX`. `simulated` on the embedded server, else required",
    **{f"gateway_{name}": f"Another gateway for {each.english}" for name, each in CARRIERS.items()},
    "bss": f"The BSS: {_names(BSS)}. `simulated` on the embedded server, else required",
    **{
        f"sender_{name}": f"The number SMS of {each.english} come from; begins with {each.outbound} or {each.hotline}"
        for name, each in CARRIERS.items()
    },
    "plans": "YAML file of plans, loaded at start; a code that differs from its current version stops the start. "
    "`sample`: the bundled ones, on sale by default on the embedded server and where a gateway or the BSS is simulated",
    "plan_approval": "`on`: what an admin puts on sale is a proposal, until another admin approves it",
    "publication": "`checked`: a plan is sold while each channel's page carries its hash and all its fields. `stated`: "
    "its admin's word is taken",
    "tariff_hosts": "Hosts whose pages of tariffs may be looked at, comma between; `http://HOST` where it has no TLS",
    "tariff_templates": "YAML file: how the pages of a host are read ([plans.md](plans.md))",
    "reply_window": "How long a yes counts, from hand-over of the question, or its delivery where the gateway reports",
    "confirm_within": "From placing to hand-over; after that the order expires unasked",
    "reminder_after": "From hand-over to the reminder; `off` for none. Default: the smaller of 12h and half the window",
    "resend_max": "How often the question may be asked again on request",
    "cool_off": "How long a plan is not offered again to who declined it: a duration; for ever, unless set",
    "free_exit": "Cooling-off: for how long after its activation a service is left without the plan's early fee, "
    "whoever withdraws it (退订 with its code or the plan's word, a desk); a duration; off, unless set",
    "suspect_replies": "A yes that no person can have written. `code`: it is asked once for YES with the order's code, "
    "and what carried it is held for a person. `hold`: a person looks. `off`: it is taken, and the history says so",
    "reading_speed": "Characters a second that nobody reads faster: a yes that comes sooner is suspect",
    "cadence": "So many other numbers of one agent that answered in the same rhythm make a yes suspect; 0: none do. "
    "Not looked for where CONSENT_READING_SPEED is above 500: nobody reads there",
    "review": "`before`: nothing is activated before its call has passed its review. `after`: only a failed one bars",
    "review_command": "A command that hears each recorded call first, JSON in and out: docs/reviews.md. People hear "
    "what it fails, what is disputed, and a sample",
    "review_sample": "The share of what that command passes that people hear all the same, drawn by a seed of the day",
    "recording_url": "Where `/review` plays a recording, like `https://recordings.example.com/{ref}.mp3`: the page "
    "loads sound from that host and from nowhere else. Unset: reviewers hear recordings where they are",
    "permits": "`required`: a call without a permit is a violation. `checked`: the call itself is judged as one asks",
    "permit_lasts": "How long a permit to dial is good; 24h at most, and never into quiet hours",
    "call_age": "How old the subscriber's yes on the telephone may be when its order is placed",
    "calls_a_day": "How many calls a day to one number are no violation; then permits and callable say `too_often`",
    "quiet_hours": "When permits are denied, and what can wait is held, like `22:00-08:00 Asia/Shanghai`",
    "time_zone": "What a day is, everywhere: calls a day, the days of lists and counts, when a report is due",
    "calendar": "YAML of holidays and worked weekends, as `consent_engine/calendar_china.yaml`, which is bundled: "
    "China's of 2025 and 2026",
    "report_codes": "How many codes of the public door of reports are sent in an hour, to all numbers together; a "
    "network has a tenth",
    **{
        f"reward_{name}": f"What a report of a forbidden call of {each.english} is rewarded with: yuan, and how many a "
        "number and month, like `20.00 3/month`; 3 where that is left out"
        for name, each in CARRIERS.items()
    },
    "retry_base": "The first pause before another try; doubles, with full jitter",
    "retry_max": "The longest pause",
    "max_attempts": "Bounds doubtful attempts and lost leases; what is surely not taken is tried until the deadline",
    "uncertain_hold": "How long a doubtful SMS waits for a report before it is sent once more",
    "lease": "How long a worker has an effect; longer than a call",
    "call_timeout": "How long a call to a gateway or the BSS may last",
    "in_flight": "Calls in flight, per worker and lane",
    "cells": "Slices of subscribers; above 1 on a Redis Cluster only",
    "log_format": "`text`: a line for people. `json`: an object a line, what it is about in fields of its own",
    "log_level": "What is logged: `debug`, `info`, `warning`, `error`, and all above it. `info` has a line an event",
    "public_url": "How gateways and browsers reach us",
    "metrics_addr": "HOST:PORT of its own for `/metrics`",
    "traces": "Where an OpenTelemetry collector takes traces, `http://HOST:4318/v1/traces`; wants the extra `traces`",
}


OIDC = {
    "ISSUER": ("-", "The provider's https address, exactly as it calls itself"),
    "CLIENT_ID": ("-", "As the provider knows the engine"),
    "CLIENT_SECRET": ("-", "The same"),
    "ROLES": (
        "-",
        "`CLAIM:VALUE=ROLE`, comma between: `groups:staff=ops,realm_access.roles:desk=agent`. The first that fits",
    ),
    "NAME": ("`sub`", "The claim that stands in orders and events as `oidc/NAME`: it must be one person's for ever"),
    "AGENT": (
        "-",
        "The claim with a person's number as an agent, like `staff.agent`: they act for it and review no call of it",
    ),
    "SESSION": (
        "`8h`",
        (
            "How long a sign-in lasts, with the roles of its beginning, at most 12h (`30m`: looked at more often); "
            f"ended sooner by back-channel logout to `<CONSENT_PUBLIC_URL>{OUT}`"
        ),
    ),
    "SCOPE": ("`openid profile`", "What is asked for; with `openid`"),
}


def reference() -> str:
    """The page."""
    rows = [f"| `{PREFIX}{name.upper()}` | {_default(name)} | {MEANS[name]} |" for name in MEANS]
    return "\n".join(
        [
            "# Settings",
            "",
            "From the environment, else from `.env`. A wrong or missing value stops the start with one line naming it.",
            "Durations: `500ms` `90s` `2.5s` `15m` `2h` `1d`. Made from the code by `python docs/settings.py --write`.",
            "`consent doctor` prints them as they are, with where each came from.",
            "",
            "| Variable | Default | Means |",
            "|---|---|---|",
            *rows,
            "",
            "Every gateway and BSS has settings of its own under its name: `CONSENT_HTTP_JSON__URL`, `__SECRET`,",
            "`__SUB_NUMBERS`, `__SKEW`; `CONSENT_BSS_HTTP__URL`, `__SECRET`, `__CAN_ASK`, `__CAN_LOOK_UP`;",
            "`CONSENT_KANNEL__URL`, `__USERNAME`, `__PASSWORD`, `__SECRET`, `__CALLBACK_URL`; a second one",
            "of a kind, `http_json:box`, under `CONSENT_HTTP_JSON_BOX__`. Kannel: [kannel.md](kannel.md).",
            "",
            "`CONSENT_BSS_HTTP__CAN_LOOK_UP=true` where the BSS answers `POST URL/subscribers/lookup`: it is asked",
            "who has a number at the door, and before each activation",
            "([decisions/0039-look-up.md](decisions/0039-look-up.md)).",
            "",
            "`__REPORTS=true` of every gateway that reports of each SMS when it is on the handset: a yes before that",
            "is suspect ([replies.md](replies.md)), and the reply window begins then; a question of which nothing is",
            "reported waits for two days. Set it only for a gateway that reports every SMS. Orders under way go on as",
            "they were placed.",
            "",
            "`__SEGMENTS` of every gateway (default 255, all that can be counted): how many segments of one text it",
            "carries whole. A plan whose question takes more, or more than 6, is refused when it is loaded, and one",
            "whose notification takes more, or more than 4, in either language; so is an order whose question takes",
            "more (422 `confirmation_too_long`), and no longer text is handed over: a question that arrives cut can be",
            "consented to. What a plan says: [plans.md](plans.md).",
            "",
            "## Sign-in with an OpenID provider",
            "",
            "`pip install 'consent-engine[oidc]'`, and `CONSENT_PUBLIC_URL`: browsers come back to",
            f"`<CONSENT_PUBLIC_URL>{BACK}`, which the provider must know.",
            "",
            "| Variable | Default | Means |",
            "|---|---|---|",
            *(f"| `CONSENT_OIDC__{name}` | {default} | {means} |" for name, (default, means) in OIDC.items()),
            "",
        ]
    )


def _default(name: str) -> str:
    field: FieldInfo = Settings.model_fields[name]
    if field.default_factory is not None:
        return "-"
    if name == "data_dir":
        return "`./var`"
    if field.default is None:
        return "-"
    return f"`{written(field.default) if isinstance(field.default, timedelta) else field.default}`"


def main() -> None:
    """Print the page, or write it."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(reference(), encoding="utf-8")
    else:
        print(reference())


if __name__ == "__main__":
    main()
