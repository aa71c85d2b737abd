"""The tier of each test, in one table: by folder, with the files and functions in it that belong elsewhere.

*fast* is what `make test` runs: every promise, every door, the road over real processes once, with nothing but what pip
installs. *whole* is what CI adds to it: other servers and tools, a browser, containers, many processes. *searches* is
`make search`: chaos, races, and all that the other two try a fixed sample of, enumerated or drawn anew. A test has the
tier of the longest name here that it stands under; a file right in `tests/` has a line of its own.
"""

import os
from enum import StrEnum
from pathlib import PurePosixPath

import pytest


class Tier(StrEnum):
    """The marks, each of a command of its own."""

    FAST = "fast"
    WHOLE = "whole"
    SEARCHES = "searches"


FAST, WHOLE, SEARCHES = Tier
DEEP = int(os.environ.get("TESTS_DEEP", "0"))
"""How far `make search` goes: so many stories or examples, and all that can be enumerated; 0: this is no search."""
TIERS = {
    "consent_engine": FAST,
    "tests/acceptance": WHOLE,
    "tests/acceptance/test_browser.py::test_ops_find_an_order_by_number_and_the_board_leaves_the_focus_alone": SEARCHES,
    "tests/acceptance/test_browser_points.py::test_a_gateway_that_is_away_is_named_to_ops_and_to_the_agent_within_ten_seconds": SEARCHES,  # noqa: E501
    "tests/acceptance/test_browser_points.py::test_a_page_is_painted_and_answers_within_its_budget": SEARCHES,
    "tests/acceptance/test_chaos.py": SEARCHES,
    "tests/acceptance/test_install.py::test_it_runs_from_an_empty_environment": SEARCHES,
    "tests/archive": FAST,
    "tests/archive/test_archive_databases.py": WHOLE,
    "tests/archive/test_archive_repeats.py": WHOLE,
    "tests/archive/test_archive_stories.py": WHOLE,
    "tests/archive/test_erasing_races.py::test_an_erasure_among_others_at_random_erases_or_says_what_is_open": WHOLE,
    "tests/archive/test_log_outsiders.py": WHOLE,
    "tests/archive/test_races_and_damages.py": SEARCHES,
    "tests/archive/test_time_stamps.py": WHOLE,
    "tests/cluster": WHOLE,
    "tests/containers": WHOLE,
    "tests/containers/test_started.py::test_an_image_that_is_made_again_is_the_same": SEARCHES,
    "tests/contract": FAST,
    "tests/crashes": WHOLE,
    "tests/durability": WHOLE,
    "tests/durability/test_sentinel.py::test_a_proof_by_a_replica_takes_moments_not_the_second_it_reports_in": SEARCHES,
    "tests/front": WHOLE,
    "tests/golden": FAST,
    "tests/integration": FAST,
    "tests/integration/http/test_document.py::test_a_client_made_from_the_document_works": WHOLE,
    "tests/integration/http/test_proxy.py": WHOLE,
    "tests/integration/http/test_proxy.py::test_a_restart_of_one_api_after_the_other_fails_no_request": SEARCHES,
    "tests/integration/ops/test_cli_serve.py": WHOLE,
    "tests/integration/ops/test_cli_troubles.py": WHOLE,
    "tests/integration/ops/test_runbook.py": WHOLE,
    "tests/integration/ops/test_shadow_served.py": WHOLE,
    "tests/integration/ops/test_traces.py": WHOLE,
    "tests/integration/pages/test_evidence_pdf.py": WHOLE,
    "tests/integration/promises/test_permutations.py::test_a_thousand_sets_in_any_order": SEARCHES,
    "tests/integration/rq/test_lost_jobs.py": WHOLE,
    "tests/integration/rq/test_processes.py": WHOLE,
    "tests/integration/store/test_embedded_server.py": WHOLE,
    "tests/integration/store/test_faults.py": WHOLE,
    "tests/model": WHOLE,
    "tests/races": SEARCHES,
    "tests/security": FAST,
    "tests/security/test_bandit.py": WHOLE,
    "tests/security/test_fuzz.py": WHOLE,
    "tests/security/test_persons.py": WHOLE,
    "tests/security/test_redis_users.py": WHOLE,
    "tests/security/test_schemathesis.py": WHOLE,
    "tests/security/test_schemathesis.py::test_no_webhook_does_so_either_once_its_proof_is_good": SEARCHES,
    "tests/security/test_single_sign_on.py::test_a_person_signs_in_with_a_provider_that_we_did_not_write": WHOLE,
    "tests/test_benchmarks.py": FAST,
    "tests/test_benchmarks.py::test_a_size_of_the_operators_page_can_be_made": SEARCHES,
    "tests/test_careful_peers.py": WHOLE,
    "tests/test_compliance.py": FAST,
    "tests/test_contract_rows.py": FAST,
    "tests/test_deploy.py": WHOLE,
    "tests/test_deploy_kubernetes.py": FAST,
    "tests/test_deploy_kubernetes.py::test_an_overlay_is_put_together_and_says_who_counts_the_workers": WHOLE,
    "tests/test_failure_matrix.py": FAST,
    "tests/test_house_rules.py": FAST,
    "tests/test_memory.py": FAST,
    "tests/test_mutations.py": FAST,
    "tests/test_mutations.py::test_a_test_that_fails_anyway_proves_nothing": SEARCHES,
    "tests/test_mutations.py::test_only_a_test_that_fails_has_caught_a_mutation": WHOLE,
    "tests/test_pages.py": FAST,
    "tests/test_scenarios.py": FAST,
    "tests/test_tiers.py": FAST,
    "tests/unit": FAST,
    "tests/unit/test_wire_page.py::test_the_pages_own_lines_sign_a_reply_that_is_read": WHOLE,
    "workers": FAST,
}
SAMPLED = (
    "tests/archive/test_erasing_races.py",
    "tests/archive/test_archive_stories.py",
    "tests/archive/test_walk_among_others.py",
    "tests/cluster/test_backup_failover.py",
    "tests/crashes",
    "tests/durability/test_power_loss.py",
    "tests/integration/outside/test_faults.py",
    "tests/integration/promises/test_known_or_loaded.py",
    "tests/integration/promises/test_random_histories.py",
    "tests/integration/store/test_faults.py",
    "tests/model",
    "tests/security/test_fuzz.py",
    "tests/security/test_schemathesis.py",
)
"""The files that try a sample in their tier: with DEEP they are searches, as whatever hypothesis draws is."""
VARIANTS = {"tests/archive": {"postgresql": WHOLE}}
"""Of the fast tests in a folder, the cases with this parameter that need a server of their own."""


def tier_of(file: str, function: str = "", cases: str = "") -> Tier | None:
    """Return the tier of a file, of a function in it, or of one of its cases; None where the table has no such place.

    cases: the ids of its parameters, joined by hyphens
    """
    folders = [str(each) for each in PurePosixPath(file).parents]
    tier = next((TIERS[name] for name in (f"{file}::{function}", file, *folders) if name in TIERS), None)
    other = {case: tier for name in folders for case, tier in VARIANTS.get(name, {}).items()}
    return next((other[case] for case in cases.split("-") if case in other), tier) if tier is FAST else tier


def tier_of_test(named: str) -> Tier | None:
    """Return the tier of a test by its name, as pytest prints it: file::function[case]."""
    file, _, rest = named.partition("::")
    function, _, cases = rest.partition("[")
    return tier_of(file, function, cases.removesuffix("]"))


def tier_of_item(item: pytest.Item) -> Tier | None:
    """Return the tier of a test that pytest has collected."""
    if DEEP and (item.nodeid.startswith(SAMPLED) or hasattr(getattr(item, "obj", None), "hypothesis")):
        return SEARCHES
    return tier_of_test(item.nodeid)


def tiers_in(file: str) -> set[Tier]:
    """Return all that the tests of a file may have."""
    if DEEP:
        return {*Tier}
    own = [tier for name, tier in TIERS.items() if name.startswith(f"{file}::")]
    cases = [tier for name in PurePosixPath(file).parents for tier in VARIANTS.get(str(name), {}).values()]
    return {tier for tier in (tier_of(file), *own, *cases) if tier}


def asked(expression: str) -> set[Tier]:
    """Return the tiers that pytest's `-m` can select: those joined by `or`, and all for any other expression."""
    words = expression.split(" or ")
    return {Tier(word) for word in words} if {*words} <= {*Tier} else {*Tier}
