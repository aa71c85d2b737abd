"""The contract of every gateway: what counts as handed over, in doubt or not taken, and which posts are believed."""

import asyncio
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_engine import verify
from consent_engine.domain.effects import Accepted, Purpose, Unavailable, Uncertain
from consent_engine.domain.sms import Delivery
from consent_engine.errors import Unauthenticated
from consent_engine.ports import Parsed, Sms
from tests.contract import ECHO, MSISDN, PATIENT, TEXT, Far, answers, bounded, discreet, misread
from tests.contract.peers import PASSWORD, PEERS, REF, SECRET

SMS = Sms(REF, "10085", MSISDN, TEXT, Purpose.CONFIRMATION)
MO = {"id": "mo-7", "from": MSISDN, "to": "10085", "text": TEXT}
FILES = [peer for peer in PEERS if peer.kind != "kannel"]


@pytest.fixture(params=PEERS, ids=lambda peer: peer.kind)
def peer(request):
    return request.param


def send(peer, behaviour, seconds=PATIENT, times=1):
    """Send `times` times; return the last outcome, and the far side with the requests it received."""

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            gateway = peer.built(far.url, seconds)
            return [await gateway.send(SMS) for _ in range(times)][-1], far

    outcome, far = asyncio.run(conversation(), debug=True)
    assert PASSWORD not in discreet(repr(outcome))
    return outcome, far


# Handing over -----------------------------------------------------------------------------------------------------


def test_what_it_takes_is_taken_under_the_same_ref_at_every_attempt_with_nobody_in_the_address(peer):
    outcome, far = send(peer, peer.taken, times=2)
    assert isinstance(outcome, Accepted)
    assert peer.kind == "kannel" or outcome == Accepted("m-1")
    one, other = far.requests
    assert one.target == other.target
    discreet(one.target)
    assert peer.kind == "kannel" or one.body == other.body
    assert REF in one.body.decode() + str(one.headers)


def test_whatever_may_have_been_taken_is_in_doubt(peer):
    assert misread(lambda behaviour, seconds: send(peer, behaviour, seconds), Uncertain) == {}


def test_ten_megabytes_of_an_answer_are_a_doubt(peer):
    endless = answers(200, ECHO * 350_000)
    assert isinstance(send(peer, endless)[0], Uncertain)


def test_whatever_cannot_have_been_sent_is_surely_not_taken(peer, unreached):
    server, make = unreached

    async def conversation():
        async with server as far:
            url, seconds = await make(far)
            async with bounded(seconds):
                return await peer.built(url, seconds).send(SMS)

    outcome = asyncio.run(conversation(), debug=True)
    assert isinstance(outcome, Unavailable)
    discreet(repr(outcome))
    assert server.requests == []


def test_a_refused_account_is_no_refused_sms(peer):
    outcome, _ = send(peer, answers(401, b'Error "TEXT"'))
    assert isinstance(outcome, Unavailable)
    assert outcome.refusing


# Replies and reports ----------------------------------------------------------------------------------------------


def test_a_reply_is_read_and_a_repeat_of_it_is_the_same(peer):
    hooks = peer.built().webhooks
    ((index, reply),) = hooks.replies(peer.reply(MO)).messages
    assert (index, reply.message_id, reply.msisdn, reply.to, reply.text) == (0, "mo-7", MSISDN, "10085", TEXT)
    assert reply.whole
    verify.check_post({"msisdn": MSISDN, "text": TEXT, "posted": reply.posted}, "")
    assert [each for each in (SECRET, PASSWORD) if each in reply.posted] == []
    assert hooks.replies(peer.reply(MO)).messages == ((0, reply),)
    assert hooks.acknowledge(1, ()) == peer.stored


def test_a_report_is_read(peer):
    hooks = peer.built().webhooks
    for said, meant in zip(peer.statuses, (Delivery.ACCEPTED, Delivery.DELIVERED, Delivery.FAILED), strict=True):
        ((_, report),) = hooks.reports(peer.report({"id": "m-1", "status": said})).messages
        assert (report.ref, report.status) == (REF, meant)
    odd = hooks.reports(peer.report({"id": "m-1", "status": "neither"}))
    assert (odd.messages, len(odd.rejected)) == ((), 1)


def test_nothing_is_read_of_what_is_not_proven(peer):
    hooks = peer.built().webhooks
    for secret in ("", "another", SECRET + "1", SECRET[:-1]):
        for door, call in (
            (hooks.replies, peer.reply(MO, secret)),
            (hooks.reports, peer.report({"status": "x"}, secret)),
        ):
            with pytest.raises(Unauthenticated) as refusal:
                door(call)
            discreet("".join(traceback.format_exception(refusal.value)))


def test_while_a_secret_is_changed_the_old_one_is_taken_too(peer):
    changing = peer.built(SECRET="a-new-one", OLD_SECRET=SECRET).webhooks
    for secret in (SECRET, "a-new-one"):
        assert changing.replies(peer.reply(MO, secret)).messages
    with pytest.raises(Unauthenticated):
        changing.replies(peer.reply(MO, "a-third"))


def test_a_refusal_is_kept_where_the_rest_cannot_be_read_and_a_yes_is_not(peer):
    hooks = peer.built().webhooks
    without = {name: value for name, value in MO.items() if name != "id"}
    ((_, kept),) = hooks.replies(peer.reply({**without, "text": "TD"})).messages
    assert (kept.msisdn, kept.text, kept.whole) == (MSISDN, "TD", False)
    assert hooks.replies(peer.reply({**without, "text": "是"})).messages == ()


@pytest.mark.parametrize("peer", FILES, ids=lambda peer: peer.kind)
def test_a_body_of_no_sense_is_malformed_or_rejected_and_a_batch_that_is_too_large_keeps_its_refusals(peer):
    hooks = peer.built().webhooks
    for body in (b"", b"{", b"[" * 100_000, b"\xff\xfe", b"&" * 1_000_000, b'{"results": 7}', ECHO):
        parsed = hooks.replies(peer.prove("inbound", SECRET, body, ""))
        assert parsed.messages == ()
        assert parsed.malformed or parsed.rejected
        discreet(f"{parsed.malformed} {parsed.rejected}")
    _, one = peer.mo({**MO, "text": "TD"})
    items = b"[" + b",".join([one] * 1_001) + b"]"
    many = {"http_json": items, "infobip": b'{"results":' + items + b"}"}.get(peer.kind, one + b"&x" * 1_000)
    parsed = hooks.replies(peer.prove("inbound", SECRET, many, ""))
    assert {reply.msisdn for _, reply in parsed.messages} == {MSISDN}
    assert not any(reply.whole for _, reply in parsed.messages)


@pytest.mark.parametrize("peer", FILES, ids=lambda peer: peer.kind)
def test_a_field_that_stands_twice_hides_no_refusal_and_makes_no_yes(peer):
    hooks = peer.built().webhooks
    _, yes = peer.mo({**MO, "text": "是"})
    _, stop = peer.mo({**MO, "text": "TD"})
    for more, heard in ((stop, {"TD"}), (yes, set())):
        both = yes + b"&" + more
        if yes.startswith(b"{"):
            both = yes.replace(b'"text": ', b'"text": "' + (b"TD" if heard else b"Y") + b'", "text": ', 1)
        found = hooks.replies(peer.prove("inbound", SECRET, both, ""))
        assert {reply.text for _, reply in found.messages} == heard
        assert all(reply.data for _, reply in found.messages)


@pytest.mark.parametrize("peer", FILES, ids=lambda peer: peer.kind)
@settings(max_examples=40)
@given(body=st.binary(max_size=200), said=st.dictionaries(st.sampled_from([*MO]), st.text(max_size=30)))
def test_whatever_is_proven_is_read_or_malformed(peer, body, said):
    hooks = peer.built().webhooks
    _, post = peer.mo({**MO, **said})
    for each in (body, post, post + body, post[: len(post) // 2]):
        for door in (hooks.replies, hooks.reports):
            parsed = door(peer.prove("inbound", SECRET, each, f"ref={REF}"))
            assert isinstance(parsed, Parsed)
            for _, message in parsed.messages:
                str(message).encode()
