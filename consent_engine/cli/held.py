"""`consent held`: replies that may be a refusal, listed and decided at a terminal. Their numbers are not shown."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from consent_engine.cli.opening import by, lists, opened, sound_reason
from consent_engine.cli.tables import instant, manner, record, table
from consent_engine.engine.engine import Engine
from consent_engine.engine.held_replies import Decided, HeldText, grouped
from consent_engine.errors import Refused

_GROUP = re.compile("[0-9a-f]{24}")
_AT_ONCE = 500


class NotDecided(Refused, code="not_decided"):
    """Some of the named suspicions were not decided."""


def held(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="WHICH...", help="Groups or ids, as `consent held` shows them.")
    ] = None,
    refusal: Annotated[
        bool | None, typer.Option("--refusal/--no-refusal", help="Decide: a refusal, which ends open orders; or none.")
    ] = None,
    never_again: Annotated[
        bool | None, typer.Option("--never-again", help="With --refusal: a doubtful reply refuses calls, too.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why it is no refusal. No telephone number.")
    ] = None,
) -> None:
    """List replies that may be a refusal, grouped by their words; with WHICH, one by one; or decide them.

    Replies still undecided at the instant shown become refusals. A doubtful one concerns its order alone: as a refusal,
    or undecided, it ends that order, and calls go on.
    """
    _look_at(which, refusal=refusal, never_again=bool(never_again), reason=reason)
    with (lists if refusal is None else opened)() as engine:
        if not which:
            rows = list(_groups(engine))
        elif refusal is None:
            rows = [_row(each) for each in _named(engine, which)]
        else:
            _tell(
                _decided(engine, which, refusal=refusal, never_again=bool(never_again), reason=(reason or "").strip())
            )
            return
    head = ("id", "reason", "until", "words") if which else ("group", "held", "reason", "until", "words")
    table((*head, "ids") if manner().as_json and not which else head, rows, "nothing is held")


def _look_at(which: Sequence[str] | None, *, refusal: bool | None, never_again: bool, reason: str | None) -> None:
    """Raise BadParameter for options that contradict each other, and for a reason that is not allowed."""
    if refusal is not None and not which:
        raise typer.BadParameter("name replies to decide", param_hint="WHICH")
    if never_again and not refusal:
        raise typer.BadParameter("needs --refusal", param_hint="--never-again")
    if refusal is None and reason is not None:
        raise typer.BadParameter("needs --refusal or --no-refusal", param_hint="--reason")
    if refusal is False and not (reason or "").strip():
        raise typer.BadParameter("say why the reply is no refusal", param_hint="--reason")
    if reason:
        sound_reason(reason)


def _groups(engine: Engine) -> Iterator[tuple[object, ...]]:

    for each in grouped(engine.held)[0]:
        ids = [list(each.ids)] if manner().as_json else []
        yield each.group, len(each.ids), each.reason, instant(each.until), each.text, *ids


def _row(each: HeldText) -> tuple[object, ...]:
    return each.id, each.reason, instant(each.until), each.text


def _named(engine: Engine, which: Sequence[str]) -> Iterator[HeldText]:
    """Yield the suspicions of these groups and ids, newest first."""
    wanted, cursor = frozenset(which), ""
    while True:
        rows, cursor = engine.held(cursor, _AT_ONCE, now=True)
        yield from (each for each in rows if {each.group, each.id} & wanted)
        if not cursor:
            return


def _decided(engine: Engine, which: Sequence[str], *, refusal: bool, never_again: bool, reason: str) -> Decided:

    groups = [each for each in which if _GROUP.fullmatch(each)]
    ids = list(dict.fromkeys(each for each in which if each not in groups))
    if groups:
        ids += [each.id for each in _named(engine, groups) if each.id not in ids]
    done = Decided(0, 0, 0)
    for n in range(0, len(ids), _AT_ONCE):
        part = engine.decide_held(
            ids[n : n + _AT_ONCE], refusal=refusal, by=by(), reason=reason, never_again=never_again
        )
        done = Decided(done.decided + part.decided, done.gone + part.gone, done.own_call + part.own_call)
    return done


def _tell(done: Decided) -> None:
    record([("decided", done.decided), ("gone", done.gone), ("own_call", done.own_call)])
    if done.own_call or done.gone or not done.decided:
        raise NotDecided("not every reply was decided: `consent held` shows those still held")
