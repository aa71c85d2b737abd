"""The YAML files that people edit and settings name: the calendar of working days, with the time zone and the reward
for a report; and the templates that say for each host how its tariff pages are read (`CONSENT_TARIFF_TEMPLATES`).
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BeforeValidator

from consent_engine.config.environment import read_yaml, read_yaml_rows, yaml_fault
from consent_engine.domain.call.report import RewardTerms
from consent_engine.domain.days import CHINA, Calendar, Days
from consent_engine.domain.offer.address import EVERYTHING, PLAIN, Template
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.errors import DisclosureMissing, FieldError, Malformed, SettingsError

MOST_HOSTS, MOST_FIELDS, MOST_CHARACTERS = 100, 100, 200
_ID = re.compile(r"[^\s\"'<>]+")


def templates_in(path: Path | None) -> Mapping[str, Template]:
    """Read the templates by host. Raises SettingsError that names the host and the fault, in one line."""
    if path is None:
        return {}
    try:
        content = read_yaml(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise _wrong(path, "is not text in UTF-8") from None
    except yaml.YAMLError as error:
        raise _wrong(path, yaml_fault(error)) from None
    if not isinstance(content, dict) or len(content) > MOST_HOSTS:
        raise _wrong(path, f"must map host names to templates, {MOST_HOSTS} at most")
    return {str(host).lower(): _template(path, str(host), each) for host, each in content.items()}


def _template(path: Path, host: str, content: object) -> Template:
    if not isinstance(content, dict):
        raise _wrong(path, f"{host}: its template must have fields like within: ID")
    if unknown := sorted(str(name) for name in content if name not in EVERYTHING):
        raise _wrong(path, f"{host}: unknown: {', '.join(unknown)}; known: {', '.join(EVERYTHING)}")
    for name in (name for name in content if name != "fields"):
        if not isinstance(content[name], str) or not 0 < len(content[name]) <= MOST_CHARACTERS:
            raise _wrong(path, f"{host}: {name} must be text of 1 to {MOST_CHARACTERS} characters")
    fields = _fields(path, host, content.get("fields", {}))
    found = Template(**{**{name: content[name] for name in content if name != "fields"}, "fields": fields})
    if found.within and not _ID.fullmatch(found.within):
        raise _wrong(path, f"{host}: within must be the id of an element")
    if found.charset and not _is_charset(found.charset):
        raise _wrong(path, f"{host}: charset is not a known character set")
    if found == PLAIN:
        raise _wrong(path, f"{host}: its template is empty: remove the host")
    return found


def _fields(path: Path, host: str, content: object) -> Mapping[str, str]:
    if not isinstance(content, dict) or len(content) > MOST_FIELDS or not all(map(_is_pair, content.items())):
        raise _wrong(path, f"{host}: fields must map names of its JSON to ours, {MOST_FIELDS} at most")
    return dict(content)


def _is_pair(pair: tuple[object, object]) -> bool:
    return all(isinstance(each, str) and each for each in pair)


def _is_charset(name: str) -> bool:
    try:
        return bool("".encode(name) or True)
    except LookupError:
        return False


def _wrong(path: Path, problem: str) -> SettingsError:
    return SettingsError(f"CONSENT_TARIFF_TEMPLATES: {path.name}: {problem}")


BUNDLED = "calendar_china.yaml"
USUAL_ZONE = "Asia/Shanghai"
LONGEST = timedelta(days=60)
"""The longest holiday: a longer one is a typing error."""
_REWARD = re.compile(r"([1-9][0-9]{0,4}(?:\.[0-9]{2})?)(?: ([1-9][0-9]{0,2})/month)?", re.ASCII)


def bundled() -> Path:
    """Return the path of the bundled calendar on this machine, to be copied."""
    return Path(str(files("consent_engine").joinpath(BUNDLED)))


def calendar_from(path: Path | None) -> Calendar:
    """Read the calendar in a YAML file, or the bundled one. Raises SettingsError naming the file and the fault."""
    name = str(path) if path else BUNDLED
    try:
        text = path.read_text("utf-8") if path else files("consent_engine").joinpath(name).read_text("utf-8")
        return _calendar(text)
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"CONSENT_CALENDAR: {name} can not be read") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"CONSENT_CALENDAR: {name} {yaml_fault(error)}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"CONSENT_CALENDAR: {name}: {error}") from None


@lru_cache(maxsize=4)  # each process reads it for its API, its workers and its commands
def _calendar(text: str) -> Calendar:
    content = read_yaml(text)
    if not isinstance(content, dict) or set(content) - {"years", "holidays", "working"}:
        raise ValueError("must have years, holidays and working, and nothing else")
    off: dict[str, str] = {}
    for row in content.get("holidays") or []:
        if not isinstance(row, dict) or set(row) != {"name", "from", "to"}:
            raise ValueError("a holiday has name, from and to")
        first, last = _day(row["from"]), _day(row["to"])
        if not timedelta() <= last - first <= LONGEST:
            raise ValueError(f"{row['name']}: must end on its first day or later, and within {LONGEST.days} days")
        off |= {str(first + timedelta(days=n)): str(row["name"]) for n in range((last - first).days + 1)}
    worked = frozenset(str(_day(each)) for each in content.get("working") or [])
    if both := sorted(worked & off.keys()):
        raise ValueError(f"{both[0]} is listed under holidays and under working: remove one of the two")
    years = content.get("years") or []
    if not isinstance(years, list) or not all(isinstance(year, int) for year in years):
        raise ValueError("years must be a list of years")
    return Calendar(off, worked, frozenset(years))


def _day(value: object) -> date:
    if not isinstance(value, date):
        raise ValueError("a day is written like 2026-02-15")  # noqa: TRY004 - one kind of error for all that is wrong
    return value


def days_in(zone: str) -> Days:
    """Return the days of a time zone. China's are a constant, so that a machine without zone data knows them."""
    return CHINA if zone == USUAL_ZONE else Days(ZoneInfo(zone))


def _zone(name: str) -> str:
    try:
        days_in(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone that this machine knows, like Asia/Shanghai") from None
    return name


def _reward(value: object) -> object:
    if value is None or value == "off" or isinstance(value, RewardTerms):
        return None if value == "off" else value
    match = _REWARD.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("must be off, or an amount in yuan and the most per number and month, like 20.00 3/month")
    amount = match[1] if "." in match[1] else f"{match[1]}.00"
    return RewardTerms(amount, int(match[2])) if match[2] else RewardTerms(amount)


TimeZone = Annotated[str, AfterValidator(_zone)]
Reward = Annotated[RewardTerms | None, BeforeValidator(_reward)]


def plans_from(path: Path | None) -> list[Plan]:
    """Read the plans in a YAML file, or the bundled sample.

    Raises Malformed naming the file, the plan and its line, and the field; SettingsError for any other file.
    """
    name = str(path) if path else "sample_plans.yaml"
    try:
        text = path.read_text("utf-8") if path else files("consent_engine").joinpath(name).read_text("utf-8")
        rows, lines = read_yaml_rows(text)
    except UnicodeDecodeError:
        raise SettingsError(f"{name} is not YAML: its bytes are not text in UTF-8") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{name} {yaml_fault(error)}") from None
    if not isinstance(rows, list):
        raise SettingsError(f"{name} must be a list of plans")
    plans, wrong = [], []
    for row, line in zip(rows, lines, strict=True):
        try:
            plans.append(plan_from(row))
        except (Malformed, DisclosureMissing) as error:
            code = row.get("code") if isinstance(row, dict) else None
            where = f"{name}, line {line}, plan {code or 'without a code'}"
            found = error.errors if isinstance(error, Malformed) else [FieldError("price", error.code, str(error))]
            wrong += [FieldError(f"{where}: {e.field}", e.code, e.message) for e in found]
    if wrong:
        raise Malformed(wrong)
    return plans
