"""Parts of longer replies: they wait on their line for the others, within limits, and are handed on as one reply.

A part that refuses by itself is in force when it comes; a reply that never becomes whole is handed on as a fragment,
which can refuse but answers nothing. Everything is put into the inbox before it is marked so, under a name that
never changes: a worker that takes over after a crash repeats it, and nothing is handed on twice.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import WAKE_LINE, WAKE_PARTS, WAKE_UNDECIDED, Millis
from consent_engine.domain.grammar import Keyword, Read, of_a_fragment, read
from consent_engine.domain.hashing import digest
from consent_engine.domain.inbox import MOST_REPLIES, Gathered, Piece
from consent_engine.domain.line.line import STRANGER_MS, Line
from consent_engine.domain.line.restriction import CONSENT, name_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.event import storable
from consent_engine.domain.sms import Part, Reply
from consent_engine.engine.change_order import MOST_RACES
from consent_engine.engine.held_replies import overdue
from consent_engine.engine.post_to_inbox import carriers_of, posted_reply, texts_sent, yes_of
from consent_engine.engine.round_trips import drive, load, load_of, or_raised, post, save
from consent_engine.engine.store_requests import Step
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Commit, CommitResult, Leased, LineChange, Outside, Store, Stored, needed


def driven(store: Store, steps: Sequence[tuple[str, Step[Stored]]]) -> list[Stored]:
    """Run steps for parts, each with its line, and return their results. Raises the error of any of them.

    Parts of one line are taken one after the other: side by side each would race with all the others, and of many the
    last would give up, and fail every message that came with them.
    """
    waves: list[list[int]] = []
    before: Counter[str] = Counter()
    for n, (line, _) in enumerate(steps):
        if before[line] == len(waves):
            waves.append([])
        waves[before[line]].append(n)
        before[line] += 1
    results: dict[int, Stored] = {}
    for wave in waves:
        found = drive(store, [steps[n][1] for n in wave]).results
        results |= zip(wave, map(or_raised, found), strict=True)
    return [results[n] for n in range(len(steps))]


def gathering(outside: Outside, line_id: str, name: str, key: str, reply: Reply, part: Part) -> Step[Stored]:
    """Take in a part of a reply, proven durable. name: the reply that it belongs to · key: the part's own. Raises
    StoreUnavailable when too many others write to its line.
    """
    anew = False
    for _ in range(MOST_RACES):
        loaded = yield from load(lines=[line_id])
        line = loaded.lines.get(line_id)
        if line is None:  # an unreadable line, so nothing can wait there
            return (yield from post(posted_reply(outside, line_id, key, reply, of_a_fragment(read(reply.text)))))
        now, known = loaded.now, line.gathered.get(name)
        if known is not None and known.knows(key):
            # Once for all tries: the refusal that the first of them put in force is the part's own.
            anew = known.done > 0 and (anew or _may_be_new(outside, line, known, reply))
            if not anew:
                return Stored(is_new=False, at=known.since)
        if known is None or known.done:
            known = Gathered(now, part.of, reply.gateway, reply.to, ())
            if _waiting(line) >= MOST_REPLIES:
                return (yield from _alone(outside, line, key, reply))
        piece = Piece(part.n, key, "", reply.text, reply.written_at)
        known = yield from _added(outside, line, known, piece, reply, now)
        saved = yield from save(Commit("", (_line_with_parts(line, reply.msisdn, name, known, now),)), prove=True)
        if saved.word is CommitResult.OK:
            return Stored(is_new=True, at=now)
    raise StoreUnavailable("too many others write to this line: the same message again is safe")


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
    if (yield from _meaning(line, reply.text)).restricts:
        yield from _alone(outside, line, piece.key, reply)
        piece = replace(piece, handed_on=1)
    known = known.with_(piece)
    if not known.whole:
        return known
    return known.closed(now, refuses=(yield from _handed_on(outside, line, known, known.pieces, reply.msisdn)))


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
    line, now = needed(leased.line), leased.at
    for _ in range(MOST_RACES):
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
        due = min((known.due for known in left.values()), default=None)
        put = () if due is None else (Put(WAKE_PARTS, due),)
        drop = ((leased.effect, Drop.ANYWAY),) if due is None else ()
        change = LineChange(line.id, line.version, fields, put, drop)
        saved = yield from save(Commit("", (change,), leased.held))
        if saved.word is not CommitResult.STALE:
            break
        line = (yield from load(lines=[line.id])).line(line.id)
    return "performed"


def _handed_on(outside: Outside, line: Line, known: Gathered, pieces: Sequence[Piece], msisdn: Msisdn) -> Step[bool]:
    """Put the joint text of these parts into the inbox: a reply, or a fragment of one where some are missing. Return
    whether it refuses.
    """
    written = [piece.written_at for piece in pieces if piece.written_at is not None]
    text = storable("".join(piece.text for piece in pieces))
    said = yield from _meaning(line, text, yes_of(outside, known.gateway, known.to))
    said = said if known.whole and not known.mixed else of_a_fragment(said)
    reply = Reply(known.gateway, pieces[0].id, msisdn, known.to, text, max(written, default=None))
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


def _waiting(line: Line) -> int:
    return sum(not known.done for known in line.gathered.values())


def _line_with_parts(line: Line, msisdn: Msisdn, name: str, known: Gathered, now: Millis) -> LineChange:
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
    return LineChange(line.id, line.version, fields, tuple(put))
