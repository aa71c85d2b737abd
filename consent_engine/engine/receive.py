"""The door for messages: replies, whole or in parts, delivery reports and refusals enter their lines' inboxes."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import UNSET, Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.carriers import carrier_of_sender
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.decide.sms_texts import text_of
from consent_engine.domain.effects import OF_ORDERS, WAKE_LINE, WAKE_PARTS, WAKE_UNDECIDED, Millis
from consent_engine.domain.grammar import Keyword, Read, counted, of_a_fragment, read
from consent_engine.domain.grammar.meaning import RESTRICTING
from consent_engine.domain.grammar.words import YES_OF
from consent_engine.domain.hashing import digest
from consent_engine.domain.inbox import (
    MOST_REPLIES,
    Gathered,
    Piece,
    UnreadRefusal,
    UnreadRegistration,
    UnreadReply,
    UnreadReport,
    can_be_joined,
    encode_message,
)
from consent_engine.domain.interpret.correlate import sub_number
from consent_engine.domain.line.line import STRANGER_MS, Line, keyed, line_id
from consent_engine.domain.line.restriction import CONSENT, EVERY_CARRIER, Kind, name_of, names_barring
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.offer.offer import LATE_MARGIN
from consent_engine.domain.order.event import storable
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import REPEATED, DeliveryReport, Part, Reply
from consent_engine.engine.held_replies import overdue
from consent_engine.engine.recall import Lookup, changing
from consent_engine.engine.round_trips import Stale, Step, drive_in_turn, load, load_of, or_raised, post, saving
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import Change, Commit, Leased, Outside, Posted, Store, Stored


def posted_reply(outside: Outside, line: str, key: str, reply: Reply, said: Read) -> Posted:
    """Make a reply a message for a line's inbox, under its key. said: its meaning; its restrictions hold at once."""
    carriers = carriers_of(outside, reply.gateway, reply.to)
    body = UnreadReply(
        gateway=reply.gateway,
        id=storable(reply.message_id),
        sender=reply.msisdn,
        to=storable(reply.to),
        text=storable(reply.text),
        written_at=reply.written_at,
        carriers=" ".join(carriers),
        sub=sub_number(reply.to, outside.senders),
        keyword=said.keyword,
        code=said.code,
        reason=said.reason,
        marketing_free=int(said.marketing_free),
        edition=said.edition,
        posted=storable(reply.posted),
    )
    kinds = {Keyword.STOP: Kind.REFUSED, Keyword.HOLD: Kind.SUSPECTED}
    kind = kinds.get(counted(said.keyword)) if said.restricts else None
    makes = tuple(name_of(kind, carrier) for carrier in carriers) if kind else ()
    if kind is Kind.REFUSED and said.marketing_free:
        makes += tuple(name_of(Kind.MARKETING_FREE, carrier) for carrier in carriers)
    barring = tuple(dict.fromkeys(name for carrier in carriers for name in names_barring(carrier)))
    return Posted(
        line, reply.msisdn, key, encode_message(body), makes, "sms", body.id,
        reason=said.reason.value if said.reason else "", words=body.text, barring=barring,
        repeated=REPEATED,
        same_for=None if reply.written_at is not None else LATE_MARGIN,
        came=reply.came,
    )  # fmt: skip


def carriers_of(outside: Outside, gateway: str, to: str) -> tuple[str, ...]:
    """Return the carriers a message may be meant for: by our number, else the gateway's only one, else all."""
    known = carrier_of_sender(to, outside.senders)
    if known:
        return (known,)
    served = tuple(carrier for carrier, names in outside.routes.items() if gateway in names)
    return served if len(served) == 1 else tuple(outside.senders)


def yes_of(outside: Outside, gateway: str, to: str) -> tuple[str, ...]:
    """Return the additional words for YES of the carrier, where a message can be meant for only one carrier."""
    carriers = carriers_of(outside, gateway, to) if YES_OF else ()
    return YES_OF.get(carriers[0], ()) if len(carriers) == 1 else ()


def texts_sent(line: Line, orders: Mapping[str, Order]) -> tuple[str, ...]:
    """Return the texts that the orders of a line may have sent."""
    asked = [orders[entry.order] for entry in line.entries if entry.order in orders]
    return tuple(text for order in asked for text in _texts(order))


def _texts(order: Order) -> tuple[str, ...]:
    try:
        return tuple(text_of(order, purpose) for purpose in OF_ORDERS)
    except BrokenRecord:  # a newer program placed it, with texts unknown here: its question stands in it
        return (order.text,)


def gathering(outside: Outside, line_id: str, name: str, key: str, reply: Reply, part: Part) -> Step[Stored]:
    """Take in a part of a reply, proven durable. name: the reply that it belongs to · key: the part's own. Raises
    StoreUnavailable when too many others write to its line.
    """
    anew = False

    def gathered(line: Line, now: Millis) -> Step[Stored]:
        nonlocal anew
        known = line.gathered.get(name)
        if known is not None and known.knows(key):
            # Once for all tries: the refusal that the first of them put in force is the part's own.
            anew = known.done > 0 and (anew or _may_be_new(outside, line, known, reply))
            if not anew:
                return Stored(is_new=False, at=known.since)
        if known is None or known.done:
            known = Gathered(now, part.of, reply.gateway, reply.to, ())
            if line.awaited >= MOST_REPLIES:
                return (yield from _alone(outside, line, key, reply))
        piece = Piece(part.n, key, "", reply.text, reply.written_at, posted=reply.posted)
        known = yield from _added(outside, line, known, piece, reply, now)
        line = yield from _as_posted(line)
        yield from saving(Commit("", (_line_with_parts(line, reply.msisdn, name, known, now),)), prove=True)
        return Stored(is_new=True, at=now)

    try:
        return (yield from changing(Line, line_id, gathered))
    except BrokenRecord:  # an unreadable line, so nothing can wait there
        return (yield from post(posted_reply(outside, line_id, key, reply, of_a_fragment(read(reply.text)))))


def _as_posted(line: Line) -> Step[Line]:
    """Return a line as it is after messages were posted to it. Raises Stale where its parts have changed, too."""
    after = (yield from load({Line: [line.id]})).line(line.id)
    if after.gathered != line.gathered:
        raise Stale
    return after


def _may_be_new(outside: Outside, line: Line, known: Gathered, reply: Reply) -> bool:
    """Whether a part of a joined reply is a new refusal instead of a repeat: the reply refuses, its gateway gives no
    instant, and no such refusal stands (any more, or for ever). A whole reply is treated in the same way.
    """

    def stands(carrier: str) -> bool:
        return any((each := line.named(name_of(kind, carrier))) and not each.until for kind in CONSENT)

    return (
        known.refused > 0
        and reply.written_at is None
        and not all(map(stands, carriers_of(outside, reply.gateway, reply.to)))
    )


def _added(
    outside: Outside, line: Line, known: Gathered, piece: Piece, reply: Reply, now: Millis
) -> Step[Gathered]:  # fmt: skip
    """Add a part; if it refuses by itself, or makes the reply whole, that is in the inbox when this returns."""
    piece = replace(piece, id=storable(reply.message_id))
    if not known.accepts(piece):
        yield from _alone(outside, line, piece.key, reply)
        return known.doubted()
    if of_a_fragment((yield from _meaning(line, reply.text))).keyword in RESTRICTING:
        yield from _alone(outside, line, piece.key, reply)
        piece = replace(piece, handed_on=1)
    known = known.with_(piece)
    if not known.whole:
        return known
    refuses = yield from _handed_on(outside, line, known, known.pieces, reply.msisdn, reply.came)
    return known.closed(now, refuses=refuses)


def _alone(outside: Outside, line: Line, key: str, reply: Reply) -> Step[Stored]:
    """Put a part into the inbox as a fragment."""
    said = of_a_fragment((yield from _meaning(line, reply.text)))
    return (yield from post(posted_reply(outside, line.id, key, reply, said)))


def line_timer(leased: Leased, outside: Outside) -> Step[str]:
    """Handle a due timer of a line: for parts that have waited, or for suspicions."""
    if leased.effect == WAKE_UNDECIDED:
        return (yield from overdue(leased, tuple(outside.senders)))
    return (yield from _waited(leased, outside))


def _waited(leased: Leased, outside: Outside) -> Step[str]:
    """Hand on as fragments the parts that waited long enough, and forget those handed on long ago."""

    def handed(line: Line, now: Millis) -> Step[None]:
        left: dict[str, Gathered] = {}
        for name, known in line.gathered.items():
            if not known.is_over(now):
                left[name] = known
            elif not known.done:
                refuses = False
                if known.withheld:
                    refuses = yield from _handed_on(outside, line, known, known.withheld, Msisdn(line.msisdn))
                left[name] = known.closed(now, refuses=refuses)
        fields = {f"p:{name}": left[name].encode() if name in left else "" for name in line.gathered}
        line = yield from _as_posted(line)
        due = min((known.due for known in left.values()), default=None)
        put = () if due is None else (Put(WAKE_PARTS, due),)
        drop = ((leased.effect, Drop.ANYWAY),) if due is None else ()
        change = Change.of(line, fields, put, drop)
        yield from saving(Commit("", (change,), leased.held))

    yield from changing(Line, leased.held.record, handed, (leased.of(Line), leased.at))
    return "performed"


def _handed_on(
    outside: Outside, line: Line, known: Gathered, pieces: Sequence[Piece], msisdn: Msisdn, came: Millis = 0
) -> Step[bool]:  # fmt: skip
    """Put the joint text of these parts into the inbox: a reply, or a fragment of one where some are missing. Return
    whether it refuses.
    """
    written = [piece.written_at for piece in pieces if piece.written_at is not None]
    text, posts = storable("".join(piece.text for piece in pieces)), [piece.posted for piece in pieces]
    # A character that was cut in two by the end of a part is none in either post.
    shown = all(posts) and text == "".join(storable(piece.text) for piece in pieces)
    said = yield from _meaning(line, text, yes_of(outside, known.gateway, known.to))
    said = said if known.whole and not known.mixed else of_a_fragment(said)
    reply = Reply(
        known.gateway, pieces[0].id, msisdn, known.to, text, max(written, default=None), came=came,
        posted=f"[{','.join(posts)}]" if shown else "",
    )  # fmt: skip
    key = digest(compact(["parts", *(piece.key for piece in pieces)]))[:24]
    yield from post(posted_reply(outside, line.id, key, reply, said))
    return said.restricts


def _meaning(line: Line, text: str, yes: tuple[str, ...] = ()) -> Step[Read]:
    """Return the meaning of a text. Words quoted from an SMS that we sent never make a HOLD."""
    said = read(storable(text), yes=yes)
    if said.keyword is not Keyword.HOLD:
        return said
    orders = yield from load_of(line, [entry.order for entry in line.entries])
    return read(storable(text), sent=texts_sent(line, orders))


def _line_with_parts(line: Line, msisdn: Msisdn, name: str, known: Gathered, now: Millis) -> Change:
    """Return the line's change with these parts and their timer; where there are too many, the oldest done ones go."""
    done = sorted(
        (each.done, each_name) for each_name, each in line.gathered.items() if each.done and each_name != name
    )
    gone = [each_name for _, each_name in done[: max(0, len(line.gathered) - MOST_REPLIES)]]
    kept = {f"p:{name}": known.encode(), **{f"p:{each}": "" for each in gone}}
    fields = {**kept, "seen": str(max(line.seen, now)), "msisdn": msisdn}
    put = [] if WAKE_PARTS in line.effects else [Put(WAKE_PARTS, known.due)]
    if not line.version:
        put.append(Put(WAKE_LINE, now + STRANGER_MS))
    return Change.of(line, fields, tuple(put))


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
        taken = map(or_raised, drive_in_turn(self._store, list(parts.values())).results)
        stored = dict(zip(parts, taken, strict=True))
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

    def _lines_of(self, reports: Sequence[DeliveryReport]) -> tuple[dict[str, str], bool]:
        """Return the line whose inbox each report goes to, by its ref; none where the ref names no order or line. And
        whether SQL could not be asked: an order there may be the one.
        """
        if not reports:
            return {}, False
        owners = {report.ref: report.ref.split(".")[0] for report in reports}
        names = list(dict.fromkeys(owners.values()))
        glances = zip(names, self._store.records.glance(names), strict=True)
        found = {name: line for name, (_, line) in glances if line}
        if lost := [name for name in names if name not in found]:
            known = self._store.records.look({Line: lost}).of(Line)
            found |= {name: name for name in lost if name in known and known[name].version}
        unasked, lost = False, [name for name in names if name not in found]
        try:
            left = self._lookup.load(lost)[1] if lost else {}
        except ArchiveUnavailable:
            left, unasked = {}, True
        # Once it is erased, nobody could be meant any more. No number is taken from SQL: it may be erased by now.
        found |= {name: each.line for name, each in left.items() if each.person.msisdn}
        return {ref: found[name] for ref, name in owners.items() if name in found}, unasked

    def _posted(self, n: int, message: Incoming, lines: Mapping[str, str], said: Mapping[int, Read]) -> Posted:
        match message:
            case Reply():
                return self._reply(message, said[n])
            case DeliveryReport():
                parts = (message.ref, message.message_id, str(message.segment), message.status)
                key = keyed(self._secret, "dlr", message.gateway, *parts)
                return Posted(lines[message.ref], "", key, encode_message(_report(message)), came=message.came)
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
        known = self._store.records.look({Line: list(lines)}).of(Line)
        orders = self._store.records.look(
            {Order: [entry.order for line in known.values() for entry in line.entries]}
        ).of(Order)
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
