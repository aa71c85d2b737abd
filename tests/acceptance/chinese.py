"""A check by rule for text on a Chinese page that should be Chinese and is not."""

import re

from playwright.sync_api import Page

NAMES = {"consent", "keys", "add", "http", "admin", "agent", "ops", "Esc"}
"""Words that may stand in Latin letters alone: commands, roles in keys' names, a BSS's. Other odd words are ids."""
_TEXTS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const within = walker.currentNode.parentElement;
    if (within.closest("script, style, code, kbd, .mono, [lang=en]")) continue;
    found.push(walker.currentNode.data);
  }
  for (const each of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")) {
    if (each.closest("[lang=en], .mono")) continue;
    for (const name of ["aria-label", "placeholder", "alt"]) found.push(each.getAttribute(name) ?? "");
  }
  return found.map((each) => each.trim()).filter(Boolean);
}"""
_WORD = re.compile(r"[A-Za-z]?[a-z]+(?:'[a-z]+)?")
_MARKS = re.compile(r"[\u4e00-\u9fff]\s*[,;:?!()]|[,;:?!()]\s*[\u4e00-\u9fff]")
_ENGLISH = ("/docs", "/rq/")
"""The reference of the API, and RQ's own dashboard."""


def told(texts: list[str]) -> list[str]:
    """The texts that contain an English word, or ASCII punctuation beside Chinese.

    >>> told(["状态: 完成", "已发送，OK", "编号 5g-smart-199，版本 1", "stuck 订单", "sim-2 · 5 条", "a, b"])
    ['状态: 完成', 'stuck 订单']
    """
    return [each for each in texts if _MARKS.search(each) or _words(each)]


def _words(text: str) -> set[str]:
    apart = re.split(r"[\s\u2000-\u206f\u3000-\u9fff\uff00-\uffef,;:?!()·+]+", text)
    return {each for each in apart if len(each) > 1 and _WORD.fullmatch(each)} - NAMES


def not_chinese(page: Page) -> list[str]:
    """Such texts of a page as it is now."""
    if any(each in page.url for each in _ENGLISH):
        return []
    texts: list[str] = page.evaluate(_TEXTS)
    return told(texts)
