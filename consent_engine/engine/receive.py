"""The door for messages: replies, delivery reports and refusals become entries of their lines' inboxes."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import UNSET, Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword, Read, of_a_fragment, read
from consent_engine.domain.inbox import UnreadRefusal, UnreadRegistration, UnreadReport, can_be_joined, encode_message
from consent_engine.domain.line.line import keyed, line_id
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, name_of
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.order.event import storable
from consent_engine.domain.sms import DeliveryReport, Reply
from consent_engine.engine.join_parts import driven, gathering
from consent_engine.engine.post_to_inbox import posted_reply, texts_sent, yes_of
from consent_engine.engine.recall import Lookup
from consent_engine.engine.store_requests import Step
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Outside, Posted, Store, Stored

LONGEST_WORD = 32
"""Most characters of a text that may be a plan's own word, with a code and a courtesy."""


class RefusalAsked(Struct, frozen=True):
    """A refusal of calls, by voice or report, or entered by ops. carrier '*': all. by: its key. plan: for that
    one only; until: no longer than that (0: for ever). kind: a refusal, or that the number is marketing-free.
    """

    msisdn: Msisdn
    carrier: str
    door: str
    by: str
    ref: str = ""
    plan: str = ""
    until: Millis = 0
    kind: Kind = Kind.REFUSED


Incoming = Reply | DeliveryReport | RefusalAsked


class Receiver:
    """The entrance for messages: each is taken once, to its line, and a refusal is in force before it is read."""

    def __init__(
        self, store: Store, outside: Outside, secret: str, words: Callable[[], tuple[str, ...]] = tuple
    ) -> None:
        self._store = store
        self._lookup = Lookup(store)
        self._outside = outside
        self._secret = secret
        self._words = words

    def receive(self, messages: Sequence[Incoming]) -> list[Stored]:
        """Put messages into their lines' inboxes, each once, proven durable. Reports on an SMS that no order or line
        sent are kept as unmatched.
        """
        messages = [replace(m, ref=storable(m.ref)) if isinstance(m, DeliveryReport) else m for m in messages]
        lines, unasked = self._lines_of([m for m in messages if isinstance(m, DeliveryReport)])
        parts = {n: found for n, m in enumerate(messages) if isinstance(m, Reply) and (found := self._gathering(m))}
        said = self._read({n: m for n, m in enumerate(messages) if isinstance(m, Reply) and n not in parts})
        stored = dict(zip(parts, driven(self._store, list(parts.values())), strict=True))
        posted: dict[int, Posted] = {}
        unmatched = []
        for n, message in enumerate(messages):
            if isinstance(message, DeliveryReport) and message.ref not in lines:
                why = "unknown_here" if unasked else "no_such_sms"
                unmatched.append(compact({"why": why, "message": _report(message)}))
            elif n not in parts:
                posted[n] = self._posted(n, message, lines, said)
        if posted:
            stored |= zip(posted, self._store.inbox.receive(list(posted.values())), strict=True)
        if unmatched:
            self._store.inbox.unmatched(unmatched)
        return [stored.get(n, Stored(is_new=True, at=0)) for n in range(len(messages))]

    def _lines_of(self, reports: Sequence[DeliveryReport]) -> tuple[dict[str, tuple[str, str]], bool]:
        """Return the line whose inbox each report goes to, by its ref, and the line's number where its last order may
        have taken the line along; no line where the ref names no order or line. And whether SQL could not be asked: an
        order there may be the one.
        """
        if not reports:
            return {}, False
        owners = {report.ref: report.ref.split(".")[0] for report in reports}
        names = list(dict.fromkeys(owners.values()))
        found = {name: (line, "") for name, line in zip(names, self._store.records.line_of(names), strict=True) if line}
        if lost := [name for name in names if name not in found]:
            known = self._store.records.live(lines=lost)[2]
            found |= {name: (name, "") for name in lost if name in known and known[name].version}
        unasked, lost = False, [name for name in names if name not in found]
        try:
            left = self._lookup.load(lost)[1] if lost else {}
        except ArchiveUnavailable:
            left, unasked = {}, True
        # Once it is erased, nobody could be meant any more.
        found |= {name: (each.line, each.person.msisdn) for name, each in left.items() if each.person.msisdn}
        return {ref: found[name] for ref, name in owners.items() if name in found}, unasked

    def _posted(
        self, n: int, message: Incoming, lines: Mapping[str, tuple[str, str]], said: Mapping[int, Read]
    ) -> Posted:
        match message:
            case Reply():
                return self._reply(message, said[n])
            case DeliveryReport():
                line, number = lines[message.ref]
                parts = (message.ref, message.message_id, str(message.segment), message.status)
                key = keyed(self._secret, "dlr", message.gateway, *parts)
                return Posted(line, number, key, encode_message(_report(message)))
            case RefusalAsked():
                key = keyed(self._secret, "refusal", uuid.uuid4().hex)
                return self._refusal(message, key)

    def _refusal(self, asked: RefusalAsked, key: str) -> Posted:
        carriers = " ".join(self._scope(asked.carrier))
        body: UnreadRefusal | UnreadRegistration = UnreadRegistration(carriers, asked.door, asked.by)
        if asked.kind is Kind.REFUSED:
            body = UnreadRefusal(carriers, asked.door, asked.by, plan=asked.plan or UNSET, until=asked.until or UNSET)
        line, name = line_id(self._secret, asked.msisdn), name_of(asked.kind, asked.carrier, asked.plan)
        return Posted(
            line, asked.msisdn, key, encode_message(body), (name,), asked.door, asked.ref, once=True, until=asked.until
        )

    def _scope(self, carrier: str) -> tuple[str, ...]:
        return tuple(self._outside.senders) if carrier == EVERY_CARRIER else (carrier,)

    def _read(self, replies: Mapping[int, Reply]) -> dict[int, Read]:
        """Return the meaning of each of these replies. Words quoted from an SMS that we sent never make a HOLD."""
        found = {
            n: read(storable(reply.text), yes=yes_of(self._outside, reply.gateway, reply.to))
            for n, reply in replies.items()
        }
        plain = [n for n, reply in replies.items() if _means_nothing(found[n]) and _is_word(reply.text)]
        words = self._words() if plain else ()  # the plans' own: its sender wants the service to end
        found |= {n: read(storable(replies[n].text), words=words) for n in plain}
        held = {n: self._line(replies[n]) for n, said in found.items() if said.keyword is Keyword.HOLD}
        sent = self._sent(set(held.values())) if held else {}
        found |= {n: read(storable(replies[n].text), sent=sent.get(line, ())) for n, line in held.items()}
        return found

    def _sent(self, lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the texts that orders of these lines may have sent."""
        _, _, known = self._store.records.live(lines=list(lines))
        _, orders, _ = self._store.records.live([entry.order for line in known.values() for entry in line.entries])
        theirs = {line: {each.id: each for each in orders.values() if each.line == line} for line in known}
        return {line.id: texts_sent(line, theirs[line.id]) for line in known.values()}

    def _reply(self, reply: Reply, said: Read) -> Posted:
        """Read a reply for its inbox: its restrictions are in force in the same commit that stores it."""
        said = said if reply.whole else of_a_fragment(said)
        return posted_reply(self._outside, self._line(reply), self._key(reply), reply, said)

    def _line(self, reply: Reply) -> str:
        return line_id(self._secret, reply.msisdn)

    def _key(self, reply: Reply) -> str:
        # A repeated post repeats id, our number, words and instant. Gateways reuse ids, and a STOP must not be lost:
        # where no instant is given, only a post that comes soon enough to be a repeat is one.
        dated = reply.written_at is not None
        parts = (reply.gateway, reply.message_id, reply.to, *[str(reply.written_at)] * dated, reply.text)
        return keyed(self._secret, "mo at" if dated else "mo", *parts)

    def _gathering(self, reply: Reply) -> tuple[str, Step[Stored]] | None:
        """Return a part's line and the step that makes it wait for the others; None for a reply that need not wait, or
        cannot.
        """
        part = reply.part
        if part is None or reply.whole or reply.data or not can_be_joined(part):
            return None
        name = keyed(self._secret, "parts", reply.gateway, reply.to, part.reference, str(part.of))[:16]
        line = self._line(reply)
        return line, gathering(self._outside, line, name, self._key(reply), reply, part)


def _means_nothing(said: Read) -> bool:
    return said.keyword is Keyword.UNKNOWN or said.is_doubtful


def _is_word(text: str) -> bool:
    """Whether a text may be a plan's own word."""
    return len(text) <= LONGEST_WORD and any(character.isascii() and character.isalpha() for character in text)


def owner_of(message: Incoming) -> str:
    """Return the id or slot by which a message belongs to a part of the store."""
    return message.ref.split(".")[0] if isinstance(message, DeliveryReport) else f"{slot(message.msisdn):04x}"


def _report(report: DeliveryReport) -> UnreadReport:
    owner, purpose, n = (*report.ref.split("."), "", "")[:3]
    return UnreadReport(
        owner=owner,
        effect=f"sms.{purpose}.{n}",
        gateway=report.gateway,
        id=storable(report.message_id),
        status=report.status,
        segment=report.segment,
        segments=report.segments,
        error=storable(report.error),
        at=report.at,
        alone=report.alone or UNSET,
    )
