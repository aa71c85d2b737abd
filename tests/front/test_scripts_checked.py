"""The check of the pages' scripts finds what is wrong in one; `make check` runs it over all."""

import pytest

from consent_engine.api.web.rendering import asset
from tests import needs
from tests.front.check import ROOT, typed


@pytest.fixture(scope="module")
def programs():
    return needs.front_tools()


WRONG = """import { byId, call, hear, word } from "COMMON";
byId("nowhere");
word("problem.network");
word("paused.nothing");
hear(1, {});
export const plans = async () => (await call("GET", "/v1/plans")).body.itemz;
"""


def test_a_word_an_element_an_argument_and_a_field_that_are_not_there_are_found(programs, tmp_path):
    script = tmp_path / "wrong.js"
    script.write_text(WRONG.replace("COMMON", str(ROOT / "consent_engine" / "api" / "pages" / "common.js")), "utf-8")
    found = {line.partition(".js(")[2].partition(",")[0] for line in typed(programs, script).splitlines()}
    assert found == {"2", "4", "5", "6"}
    assert b"paused.nothing" not in asset("ops.zh.js")
