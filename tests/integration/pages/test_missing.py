"""A wrong address: a browser gets a page in its visitor's language, every program a problem document."""

import pytest

from tests.integration.api_door import is_problem

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/nothing", "/tariffs/none/7", "/orders/nonsense"])
def test_a_wrong_address_is_a_page_for_a_browser_and_json_for_a_program(door, path):
    for language, heading, told in (
        ("zh", "找不到页面", "这个地址没有内容"),
        ("en", "Page not found", "There is nothing at this address"),
    ):
        answer = door.stranger().get(f"{path}?lang={language}", Accept=HTML)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert f"<h1>{heading}</h1>" in answer.text
        assert told in answer.text
        assert 'href="/"' in answer.text
    is_problem(door.stranger().get(path, Accept="*/*"), 404, door.stranger().get(path).json()["code"])
    assert door.stranger().get("/v1/nothing", Accept=HTML).headers["content-type"].startswith("application/problem")
