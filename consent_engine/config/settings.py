"""Every `CONSENT_*` setting, from the environment and `.env`, read once and frozen. A wrong one prevents the start.

Beside them the warnings, for the person who starts the program, of settings that are no error, but may be a mistake;
and every setting with its value and where it comes from.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)

from consent_engine.config import sign_in, urls, values
from consent_engine.config.data_folder import ARCHIVE_FILE, LOG_FOLDER, kept_secret
from consent_engine.config.environment import IN_FILE, PREFIX, kept, one_line, own_variables
from consent_engine.config.sign_in import Oidc
from consent_engine.config.urls import CLUSTER
from consent_engine.config.yaml_files import USUAL_ZONE, Reward, TimeZone, calendar_from, days_in, templates_in
from consent_engine.domain.at_rest import OWN
from consent_engine.domain.call.report import ReportTerms
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.line.line import MOST_CALLS
from consent_engine.domain.log.checkpoint import Witness
from consent_engine.domain.offer.address import Addresses
from consent_engine.domain.offer.offer import FASTEST, Policy, Suspects, usual_reminder
from consent_engine.domain.order.order import FIVE_MONTHS, THREE_YEARS, Retention
from consent_engine.errors import SettingsError

MOST_CELLS = 1_024
LEASE_MARGIN = timedelta(milliseconds=500)
"""How much longer than the longest call a lease must be, to record how the call ended."""
SIMULATED = "simulated"
"""The name of the simulated gateway and BSS, used on the embedded server when none is named."""

if TYPE_CHECKING:
    _OfEachCarrier = BaseModel
else:  # the fields that each row of the carriers' table adds, like `gateway_mobile`
    _OfEachCarrier = create_model(
        "_OfEachCarrier",
        __config__=ConfigDict(arbitrary_types_allowed=True),
        **{f"gateway_{each}": (values.Gateways | None, None) for each in CARRIERS},
        **{f"sender_{each}": (values.Sender, profile.outbound) for each, profile in CARRIERS.items()},
        **{f"reward_{each}": (Reward, None) for each in CARRIERS},
    )


class Settings(_OfEachCarrier):
    """The settings, checked one by one and against each other. Field names are the variables' in small letters."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    redis_url: values.RedisUrl | None = Field(None, repr=False)
    rq_url: values.RedisUrl | None = Field(None, repr=False)
    data_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=lambda: Path("var").absolute()
    )
    archive_url: Annotated[str, AfterValidator(urls.archive_url)] | None = Field(None, repr=False)
    keep_service: values.KeepPersons = THREE_YEARS
    keep_no_service: values.KeepPersons = FIVE_MONTHS
    keep_records: values.KeepRecords = THREE_YEARS
    secret: SecretStr | None = None
    person_keys: Annotated[SecretStr, AfterValidator(values.person_keys)] = SecretStr(OWN)
    durability: Literal["strict", "everysec"] = "strict"
    replicas: int = Field(0, ge=0, le=10)
    gateway: values.Gateways | None = None
    bss: values.AdapterName | None = None
    shadow: bool = False
    plans: values.PlansFile | None = None
    plan_approval: Literal["off", "on"] = "off"
    publication: Literal["checked", "stated"] = "checked"
    tariff_hosts: Annotated[Mapping[str, str], BeforeValidator(urls.tariff_hosts)] = Field(default_factory=dict)
    tariff_templates: values.ExistingFile | None = None
    reply_window: values.Duration = timedelta(hours=24)
    confirm_within: values.Duration = timedelta(hours=2)
    reminder_after: values.DurationOrOff = Field(
        default_factory=lambda data: usual_reminder(data.get("reply_window", timedelta(days=1)))
    )
    resend_max: int = Field(3, ge=0, le=100)
    cool_off: values.DurationOrEver = None
    free_exit: values.DurationOrOff = None
    suspect_replies: Literal["code", "hold", "off"] = "code"
    reading_speed: int = Field(60, ge=1, le=1_000_000)
    cadence: int = Field(5, ge=0, le=15)
    review: Literal["after", "before"] = "after"
    review_command: Annotated[str, AfterValidator(values.command_line)] | None = Field(None, repr=False)
    review_sample: float = Field(0.05, ge=0, le=1)
    recording_url: Annotated[str, AfterValidator(urls.recording_url)] | None = Field(None, repr=False)
    permits: Literal["checked", "required"] = "checked"
    permit_lasts: Annotated[values.Duration, Field(le=timedelta(days=1))] = timedelta(minutes=15)
    call_age: values.Duration = timedelta(hours=2)
    calls_a_day: int = Field(3, ge=1, le=MOST_CALLS)
    quiet_hours: Annotated[tuple[int, int] | None, BeforeValidator(values.quiet_span)] = None
    time_zone: TimeZone = USUAL_ZONE
    calendar: values.ExistingFile | None = None
    report_codes: int = Field(1_000, ge=1, le=1_000_000)
    retry_base: values.Duration = timedelta(seconds=2)
    retry_max: values.Duration = timedelta(minutes=10)
    max_attempts: int = Field(5, ge=1, le=1000)
    uncertain_hold: values.Duration = timedelta(minutes=10)
    lease: values.Duration = timedelta(seconds=60)
    call_timeout: values.Duration = timedelta(seconds=10)
    in_flight: int = Field(64, ge=1, le=4096)
    cells: Annotated[int, Field(ge=1, le=MOST_CELLS)] = 1
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    public_url: Annotated[str, AfterValidator(urls.public_url)] | None = None
    metrics_addr: Annotated[str, AfterValidator(urls.metrics_addr)] | None = None
    traces: Annotated[str, AfterValidator(urls.traces)] | None = None
    log_key: (
        Annotated[SecretStr, AfterValidator(lambda kept: SecretStr(urls.log_keys(kept.get_secret_value())))] | None
    ) = None
    log_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] | None = None
    spool: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] | None = None
    witnesses: Annotated[tuple[Witness, ...], BeforeValidator(urls.witnesses)] | None = None
    tsa_url: Annotated[str, AfterValidator(urls.tsa_url)] | None = None
    pdf_key: values.ExistingFile | None = None
    pdf_passphrase: SecretStr | None = None
    adapters: Mapping[str, Mapping[str, str]] = Field(MappingProxyType({}), repr=False)
    """The settings of gateways and BSS as they stand: `CONSENT_HTTP_JSON__URL` is `["HTTP_JSON"]["URL"]`."""
    unknown: tuple[str, ...] = ()
    """Variables that begin with CONSENT_ and name no setting."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, env_file: Path | str | None = ".env") -> Self:
        """Read the environment (else the file; the environment wins). SettingsError is one line, without secrets."""
        own = own_variables(kept(env_file), os.environ if environ is None else environ)
        fields = {name.upper() for name in cls.model_fields} - {"ADAPTERS", "UNKNOWN"}
        values: dict[str, Any] = {name.lower(): value for name, value in own.items() if name in fields}
        adapters: dict[str, dict[str, str]] = {}
        for name, value in own.items():
            prefix, _, rest = name.partition("__")
            if rest:
                adapters.setdefault(prefix, {})[rest] = value
        unknown = (n for n in own if n not in fields and "__" not in n and not n.startswith("TESTS_"))
        values |= {"adapters": adapters, "unknown": tuple(PREFIX + name for name in sorted(unknown))}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(one_line(error)) from None

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.lease < self.call_timeout + LEASE_MARGIN:
            raise SettingsError("CONSENT_LEASE must be longer than CONSENT_CALL_TIMEOUT, by 500ms at least")
        if self.retry_max < self.retry_base:
            raise SettingsError("CONSENT_RETRY_MAX must not be shorter than CONSENT_RETRY_BASE")
        if self.reminder_after and self.reminder_after >= self.reply_window:
            raise SettingsError("CONSENT_REMINDER_AFTER must be shorter than CONSENT_REPLY_WINDOW, or off")
        return self

    @model_validator(mode="after")
    def _senders_are_the_carriers_own(self) -> Self:
        for carrier, sender in self.senders().items():
            own = CARRIERS[carrier].outbound, CARRIERS[carrier].hotline
            if not sender.startswith(own):
                raise SettingsError(f"CONSENT_SENDER_{carrier.upper()} must begin with {own[0]} or {own[1]}")
        return self

    @model_validator(mode="after")
    def _storage_fits(self) -> Self:
        if self.replicas and (self.embedded or self.durability != "strict"):
            raise SettingsError("CONSENT_REPLICAS needs CONSENT_REDIS_URL and CONSENT_DURABILITY=strict: leave it out")
        clustered = (self.redis_url or "").startswith(CLUSTER)
        if clustered and self.rq_url is None:
            raise SettingsError("CONSENT_RQ_URL is required with redis+cluster://: RQ needs a Redis of its own")
        if (self.rq_url or "").startswith(CLUSTER):
            raise SettingsError("CONSENT_RQ_URL cannot be a cluster: write it like redis://HOST:6379/0")
        if self.cells > 1 and not clustered:
            raise SettingsError("CONSENT_CELLS above 1 needs CONSENT_REDIS_URL=redis+cluster://...: leave it out")
        return self

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        if self.oidc() is not None and self.public_url is None:
            raise SettingsError("CONSENT_OIDC__ISSUER needs CONSENT_PUBLIC_URL: the provider sends browsers back to it")
        return self

    @model_validator(mode="after")
    def _all_is_named(self) -> Self:
        """Check that with a Redis URL nothing is defaulted: all that is missing is named at once."""
        if self.embedded:
            return self
        unserved = [f"CONSENT_GATEWAY_{name.upper()}" for name in CARRIERS if not self._gateways_of(name)]
        missing = {
            "CONSENT_SECRET (a long random text)": self.secret is None,
            "CONSENT_GATEWAY" if len(unserved) > 1 else "".join(unserved): bool(unserved),
            "CONSENT_BSS": self.bss is None,
        }
        if names := [name for name, is_missing in missing.items() if is_missing]:
            are = "is" if len(names) == 1 else "are"
            raise SettingsError(f"{', '.join(names)} {are} required with CONSENT_REDIS_URL: see docs/settings.md")
        return self

    @property
    def embedded(self) -> bool:
        """Return whether the engine runs on the embedded server, in the data folder."""
        return self.redis_url is None

    def sells_sample(self) -> bool:
        """Return whether the bundled plans go on sale: they were asked for, or no real service can come of them.

        On an embedded server, or with a simulated gateway or BSS, they are there for trying things out.
        """
        if self.plans is None:
            return self.embedded or SIMULATED in {*self.gateways(), self.bss_name()}
        return self.plans == values.SAMPLE

    @property
    def log_folder(self) -> Path:
        """Return the folder of the log's files."""
        return self.log_dir or self.data_dir / LOG_FOLDER

    def of(self, prefix: str) -> Mapping[str, str]:
        """Return the settings of one gateway or BSS: `of("HTTP_JSON_BOX2")`."""
        return self.adapters.get(prefix, {})

    def oidc(self) -> Oidc | None:
        """Return the sign-in with an OpenID provider, where it is set. Raises SettingsError."""
        return Oidc.read(self.of(sign_in.PREFIX))

    def _gateways_of(self, carrier: str) -> tuple[str, ...] | None:
        own: tuple[str, ...] | None = getattr(self, f"gateway_{carrier}")
        return own or self.gateway

    def routes(self) -> dict[str, tuple[str, ...]]:
        """Return carrier -> the gateways that serve it: each one while those before it are away."""
        return {carrier: self._gateways_of(carrier) or (SIMULATED,) for carrier in CARRIERS}

    def gateways(self) -> set[str]:
        """Return the names of all gateways in use."""
        return {*chain(*self.routes().values())}

    def naming(self, gateway: str) -> str:
        fields = ("gateway", *(f"gateway_{carrier}" for carrier in CARRIERS))
        return ", ".join(f"CONSENT_{field.upper()}" for field in fields if gateway in (getattr(self, field) or ()))

    def bss_name(self) -> str:
        """Return the name of the BSS that switches services on."""
        return self.bss or SIMULATED

    def senders(self) -> dict[str, str]:
        """Return carrier -> the number our SMS come from."""
        return {carrier: getattr(self, f"sender_{carrier}") for carrier in CARRIERS}

    def policy(self) -> Policy:
        """Return the policy that is frozen into an order placed now."""
        quiet_from, quiet_to = self.quiet_hours or (-1, -1)
        lasts = ("reply_window", "confirm_within", "retry_base", "retry_max", "uncertain_hold", "reminder_after",
                 "cool_off", "free_exit")  # fmt: skip
        return Policy(
            **{name: values.millis(getattr(self, name) or timedelta()) for name in lasts},
            max_attempts=self.max_attempts,
            resend_max=self.resend_max,
            quiet_from=quiet_from,
            quiet_to=quiet_to,
            suspects=Suspects[self.suspect_replies.upper()],
            reading_speed=self.reading_speed,
            cadence=self.cadence if self.reading_speed <= FASTEST else 0,
        )

    def reporting(self) -> ReportTerms:
        """Return the terms of call reports: days, working days, rewards. Raises SettingsError."""
        offered = {each: terms for each in CARRIERS if (terms := getattr(self, f"reward_{each}")) is not None}
        days, calendar = days_in(self.time_zone), calendar_from(self.calendar)
        return ReportTerms(days, calendar, offered, self.retention(), self.report_codes)

    def addresses(self) -> Addresses:
        """Return where plans may be published, and how pages there are read. Raises SettingsError."""
        templates = templates_in(self.tariff_templates)
        return Addresses(self.publication == "checked", self.public_url or "", self.tariff_hosts, templates)

    def archive_address(self) -> str:
        """Return the address of the archive of settled orders."""
        return self.archive_url or f"sqlite:///{self.data_dir / ARCHIVE_FILE}"

    def retention(self) -> Retention:
        """Return how long the archive keeps persons and records."""
        return Retention(
            values.millis(self.keep_service), values.millis(self.keep_no_service), values.millis(self.keep_records)
        )

    def secret_for(self, data_dir: Path) -> str:
        """Return CONSENT_SECRET; without it, the secret kept in the data folder, made on first use."""
        return self.secret.get_secret_value() if self.secret is not None else kept_secret(data_dir)


IS_SHADOW = "this is a shadow: no SMS is sent, and no service is switched on or off: docs/shadow.md"
SHORT_SECRET = 16
OF_COMMANDS = {f"{PREFIX}BACKUP_FROM"}
"""Addresses with passwords that single commands take from the environment, so that they do not stand in `ps`."""


def warnings(settings: Settings) -> list[str]:
    """Return the warnings for the person who starts the program: a line each, without secrets."""
    known = [name.upper() for name in Settings.model_fields]
    lines = [IS_SHADOW] if settings.shadow else []
    for name in settings.unknown:
        if name in OF_COMMANDS:
            continue
        near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=0.7)
        lines.append(f"{name} is not a setting" + (f": did you mean {PREFIX}{near[0]}?" if near else ""))
    used = settings.gateways() | {f"bss_{settings.bss_name()}"}
    idle = settings.adapters.keys() - {sign_in.PREFIX} - {name.replace(":", "_").upper() for name in used}
    lines += [f"{PREFIX}{prefix}__* belongs to no gateway and no BSS in use" for prefix in sorted(idle)]
    if not settings.embedded and settings.archive_url is None:
        lines.append(f"{PREFIX}ARCHIVE_URL is not set: settled orders move to a file that all processes must share")
    if settings.secret is not None and len(settings.secret.get_secret_value()) < SHORT_SECRET:
        lines.append(f"CONSENT_SECRET is short: {SHORT_SECRET} characters at least, better 32")
    return lines


HIDDEN = ("SECRET", "PASSWORD", "TOKEN", "URL")


def sources(settings: Settings, environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str, str]]:
    """Yield every setting: its variable, its value (secrets hidden), and its source."""
    kept = dotenv_values(".env", interpolate=False) if Path(".env").is_file() else {}

    def stands(name: str, where: Mapping[str, str | None]) -> bool:
        return bool(where.get(name) or where.get(name + IN_FILE))

    for field in sorted(type(settings).model_fields):
        if field in {"adapters", "unknown"}:
            continue
        name = PREFIX + field.upper()
        source = "environment" if stands(name, environ) else ".env" if stands(name, kept) else "default"
        yield name, _shown(name, getattr(settings, field)), source
    for prefix, own in sorted(settings.adapters.items()):
        for key, value in sorted(own.items()):
            name = f"{PREFIX}{prefix}__{key}"
            yield name, _shown(name, value), "environment" if stands(name, environ) else ".env"


def _shown(name: str, value: object) -> str:
    if value is None or value in ("", {}):
        return "-"
    if any(word in name for word in HIDDEN) and name != f"{PREFIX}PUBLIC_URL":
        return "(set)"
    return values.written(value) if isinstance(value, timedelta) else str(value)
