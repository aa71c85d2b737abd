"""Pages whose tables name tests: their rows, and the tests named."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
WRITTEN = {
    name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
}


def rows(page):
    """Return the rows of a page's tables, as cells."""
    lines = [line for line in page.splitlines() if re.match(r"\| (?!Scenario|Sentence|#)", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def named(page):
    """Return the names of tests on a page."""
    return sorted(set(re.findall(r"`(test_\w+(?:\[[^]`]+\])?)`", page)))


def alarm(labels, name=None):
    """Return an alert with its cause, where it has several: `ConsentOutside: down`."""
    return ": ".join(filter(None, (name or labels["alertname"], labels.get("cause"))))


def alarms():
    """Return every alert of deploy/prometheus, as `alarm` names it."""
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
    found = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    return [alarm(rule["labels"], rule["alert"]) for rule in found]
