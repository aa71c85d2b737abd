"""The plan as a page shows it: its hash and every field, in any layout; and no page that lies passes."""

import json

import pytest

from consent_engine.api.routes.tariffs import not_shown
from consent_engine.domain.offer.address import Template
from consent_engine.domain.texts.confirmation_fields import disclosures
from consent_engine.domain.texts.page import lacking, read
from tests.plans import page, plan, priced

P = plan(price={"monthly": "99.00"}, overage=[{"what": "流量", "price": "3.00", "per": "GB"}])
HTML = "text/html; charset=utf-8"


def lacks(body, of=P, kind=HTML, **how):
    return lacking(of, read(kind, body, Template(**how)))


def test_a_page_with_hash_and_all_fields_shows_the_plan():
    assert lacks(page(P)) == ()
    assert lacks(page(P).decode().encode("gb18030"), kind="text/html; charset=gb18030") == ()
    assert lacks(page(P, head='<meta charset="gbk">').decode().encode("gbk"), kind="text/html") == ()
    assert lacks(page(P, without=["hash"], head=f'<meta name="consent-plan-hash" content="{P.hash}">')) == ()


def test_each_field_that_a_page_lacks_is_named():
    found = {name: lacks(page(P, without=[name])) for name in ["hash", "name", *disclosures(P)["zh"]]}
    missed = {name for name, lacking_ in found.items() if lacking_ != (name,)}
    assert missed <= {"start", "takes_effect", "sold_by"}  # their words stand elsewhere on the page, too


@pytest.mark.parametrize("other", ["199元/月", "99.50元/月", "9元/月", "99元/天", "98元/月"])
def test_another_price_is_not_the_price(other):
    lied = page(P).decode().replace("99元/月", other).encode()
    assert lacks(lied) == ("price", "renewal")


def test_the_price_of_a_renewal_is_not_the_price():
    assert "到期按99元/月自动续订" in page(P).decode()
    assert lacks(page(P, without=["price"])) == ("price",)


@pytest.mark.parametrize("hidden", [
    "<script>{}</script>", "<style>{}</style>", "<!-- {} -->", "<template>{}</template>",
    "<p title='{}'>", "<noscript>{}</noscript>",
])  # fmt: skip
def test_what_no_reader_sees_is_not_shown(hidden):
    assert lacks(page(P, without=["price"], body=hidden.format("99元/月"))) == ("price",)


@pytest.mark.parametrize("same", ["99 元/月", "99元 / 月", "９９元/月", "<b>99</b>元/<i>月</i>"])
def test_the_same_words_in_another_dress_are_the_same(same):
    assert lacks(page(P).decode().replace("99元/月", same).encode()) == ()


def test_json_says_every_field_as_the_plan_does():
    told = {**P.as_json(), "hash": P.hash, "reads": {}, "version": 7, "published": []}
    as_json = {"one": told, "a list": {"items": [{"hash": "other"}, told]}, "bare": [told]}
    assert {name: lacks(json.dumps(said).encode(), kind="application/json") for name, said in as_json.items()} == {
        "one": (), "a list": (), "bare": (),
    }  # fmt: skip
    for name in ("price", "term", "scenario"):
        lied = json.dumps(told | {name: "x"}).encode()
        assert lacks(lied, kind="application/json; charset=utf-8") == (name,)
    assert lacks(json.dumps(told | {"hash": "0" * 64}).encode(), kind="application/json") == ("hash",)
    for none in (b"", b"[" * 100_000, b"7", b"null", b'{"items": 7}', b"\xff"):
        assert lacks(none, kind="application/json") == ("hash",)


def test_a_page_may_name_its_json():
    head = '<link rel="alternate" type="application/json" href="/p.json">'
    assert read(HTML, page(P, head=head)).beside == "/p.json"
    assert read(HTML, page(P)).beside == ""


@pytest.mark.parametrize(
    "body", [b"", b"<", b"<![x y]>", b"</script>" * 1_000, b"<script>" * 1_000, b"\xff\xfe", b"<!doctype"]
)
def test_what_is_no_page_shows_nothing(body):
    assert "hash" in lacks(body)
    assert "hash" in lacks(body, kind="text/html; charset=nonsense")


def test_our_own_page_shows_every_plan_that_can_be_published():
    assert [not_shown(each) for each in (P, priced(P, "0.15"))] == [(), ()]


# A host's template ---------------------------------------------------------------------------------------------------


def shell(shown, beside=""):
    """Return a page of a host: the tariff in an element of its own, and others beside it."""
    inner = shown.decode().partition("<body>")[2]
    return f"<body><div><p>其他优惠</div><div id=tariff><div>{inner}</div></div><div>{beside}</div>".encode()


def test_only_the_element_that_shows_the_tariff_lends_words():
    assert lacks(shell(page(P)), within="tariff") == ()
    elsewhere = shell(page(P, without=["price"]), beside="99元/月")
    assert lacks(elsewhere) == (), "without a template the words of another offer count"
    assert lacks(elsewhere, within="tariff") == ("price",)
    assert "hash" in lacks(shell(page(P)), within="other")
    meta = page(P, without=["hash"], head=f'<meta name="consent-plan-hash" content="{P.hash}">')
    assert lacks(meta, within="t")[0] == "name", "what the head says to programs counts, and no words do"


def test_elements_that_nobody_closed_do_not_end_it():
    inner = page(P).decode().partition("<body>")[2]
    assert lacks(f"<body><section id=t><p><br><img id=x><ul><li>a<li>b{inner}</section>".encode(), within="t") == ()
    assert lacks(f"<body><br id=t>{inner}".encode(), within="t")[0] == "hash"


def test_a_charset_is_the_templates_where_the_page_says_none():
    told = page(P).decode().encode("gb18030")
    assert lacks(told, kind="text/html") != ()
    assert lacks(told, kind="text/html", charset="gb18030") == ()
    assert lacks(page(P), kind="text/html; charset=utf-8", charset="gb18030") == ()


def test_json_in_a_hosts_own_names_is_read_by_its_template():
    told = {**P.as_json(), "hash": P.hash}
    theirs = {"title": told.pop("name"), "fee": told.pop("price"), "digest": told.pop("hash"), "price": "x", **told}
    fields = {"title": "name", "fee": "price", "digest": "hash", "price": "unused"}
    body = json.dumps({"data": {"list": [theirs]}}).encode()
    assert lacks(body, kind="application/json", items="data.list", fields=fields) == ()
    assert lacks(body, kind="application/json", fields=fields) == ("hash",)
    assert lacks(body, kind="application/json", items="data.none", fields=fields) == ("hash",)
    lied = json.dumps({"data": {"list": [theirs | {"fee": {"monthly": "1.00"}}]}}).encode()
    assert lacks(lied, kind="application/json", items="data.list", fields=fields) == ("price",)
