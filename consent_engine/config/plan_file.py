"""Plans read from a YAML file, or from the bundled sample."""

from importlib.resources import files
from pathlib import Path

import yaml

from consent_engine.config.environment import read_yaml_rows, yaml_fault
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.errors import DisclosureMissing, FieldError, Malformed, SettingsError


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
