"""The handset's page and its files: written once, with `[[Chinese|English]]` for every text."""

import io
import re
from importlib.resources import files

LANGUAGES = {"zh": "zh-CN", "en": "en"}
KINDS = {"handset.html": "text/html", "handset.css": "text/css", "handset.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ON_A_PHONE = """<details class="phone"><summary>[[用真手机打开|On a real phone]]</summary>
<img src="qr.svg" width="232" height="232" alt="">
<p><a href="{address}">{address}</a></p></details>"""
"""Shown only if `consent serve --phone` allows it."""
_BOTH = re.compile(r"\[\[([^|\]]*)\|([^|\]]*)\]\]")


def language_of(asked: str, accepted: str) -> str:
    """Return the language asked for, else the browser's preferred one, else Chinese.

    >>> language_of("en", "zh-CN"), language_of("", "en-GB,zh;q=0.8"), language_of("<b>", "de")
    ('en', 'en', 'zh')
    """
    named = (asked, *(part.split(";")[0].strip().lower()[:2] for part in accepted.split(",")))
    return next((name for name in named if name in LANGUAGES), "zh")


def text_of(name: str, language: str, phone: str = "") -> str:
    """Return a file of the page in one language. phone: the URL for a real phone, if that is allowed

    Raises KeyError if the page has no such file.
    """
    if name not in KINDS:
        raise KeyError(name)
    text = (files("consent_engine.simulator") / "pages" / name).read_text("utf-8")
    text = text.replace("<!-- phone -->", ON_A_PHONE.format(address=phone) if phone else "")
    text = text.replace("{{language}}", LANGUAGES[language]).replace("{{other}}", "en" if language == "zh" else "zh")
    return _BOTH.sub(lambda both: both[1 if language == "zh" else 2], text)


def qr_of(address: str) -> bytes | None:
    """Draw an SVG, black on white whatever the page's colours; None if segno is not installed."""
    try:
        import segno  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    drawn = io.BytesIO()
    segno.make_qr(address).save(drawn, kind="svg", scale=6, border=4, light="#fff", dark="#000")
    return drawn.getvalue()
