"""`consent feeds`: the systems of customers that get events, how far each has come, and their secrets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from msgspec.structs import replace

from consent_engine.cli.checks import millis_of
from consent_engine.cli.opening import by, opened, sound_reason, typed
from consent_engine.cli.tables import instant, line, table
from consent_engine.config.settings import Settings
from consent_engine.config.urls import feed_url
from consent_engine.domain.effects import Millis
from consent_engine.domain.feed import TYPES, Feed
from consent_engine.domain.hitch import in_words
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.roles import is_sound
from consent_engine.domain.seal import newest_of
from consent_engine.engine.engine import Engine
from consent_engine.engine.feeding import Behind, behind, end_of
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Log

app = typer.Typer(help="Events to customers' systems, from the log: docs/feeds.md.")
MOST_TRIES = 50
"""How often an act is tried on a feed whose cursor moves meanwhile."""
_PIECE = 1_000
_Name = Annotated[str, typer.Argument(metavar="NAME", help="As `consent feeds list` shows it.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name here, in metrics and in logs.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted to: https://, or http://.")],
    types: Annotated[str, typer.Option(metavar="A,B", help="Only these types of events; else all.")] = "",
) -> None:
    """Have events posted to a system, from now on (from before: `replay`). Its secret is printed once, as the last
    word.
    """
    if not is_sound(name) or contains_number(name):
        raise typer.BadParameter("1 to 64 printable characters without blanks, : and |, no number", param_hint="NAME")
    with typed("URL"):
        feed_url(url)
    wanted = tuple(dict.fromkeys(each.strip() for each in types.split(",") if each.strip()))
    if unknown := sorted({*wanted} - TYPES):
        raise typer.BadParameter(f"no such type: {', '.join(unknown)}: see docs/feeds.md", param_hint="--types")
    with _log() as (engine, log):
        at = engine.registry.now()
        was = next((each for each in log.feeds.all() if each.name == name), None)
        if was is not None and not was.removed:
            raise typer.BadParameter("there is a feed of this name: consent feeds remove it", param_hint="NAME")
        acts = was.acts if was is not None else ()
        feed = Feed(name=name, url=url, made_at=at, cursor=end_of(log), types=wanted, acts=acts)
        feed = feed.acted(at, by(), f"added, from entry {feed.cursor}")
        if not log.feeds.swap(was, feed):
            raise typer.BadParameter("somebody else added a feed of this name just now", param_hint="NAME")
    _show(feed)


@app.command("list")
def show_all(
    *, history: Annotated[bool, typer.Option("--history", help="All that was done to feeds, newest first.")] = False
) -> None:
    """List the feeds: where each stands in the log, how far that is behind, and what its system answers."""
    with _log() as (engine, log):
        if history:
            acts = sorted(((act, each.name) for each in log.feeds.all() for act in each.acts), key=lambda a: -a[0].at)
            rows = [(instant(act.at), name, act.what, act.by) for act, name in acts]
            table(("at", "feed", "what", "by"), rows, "there was never a feed")
            return
        found = behind(log, engine.registry.now())
    head = ("name", "url", "next entry", "waiting", "oldest", "state")
    table(head, [_row(each) for each in found], "no feeds yet: consent feeds add NAME URL")


def _row(found: Behind) -> tuple[object, ...]:
    feed = found.feed
    state = "ok"
    if feed.paused:
        state = f"paused: {in_words(feed.paused)}"
    elif feed.failures:
        state = f"failing since {instant(feed.failing_since)}: {in_words(feed.why)}; next at {instant(feed.again_at)}"
    return feed.name, feed.address, feed.cursor, found.waiting, f"{found.oldest // 1000} s", state


@app.command()
def pause(name: _Name, reason: Annotated[str, typer.Option(metavar="TEXT", help="Kept with your name.")]) -> None:
    """Post nothing to a feed until it is resumed: it misses nothing."""
    why = sound_reason(reason)
    _change(name, lambda feed, _, at: replace(feed, paused=why).acted(at, by(), f"paused: {why}"))
    line(name, "paused")


@app.command()
def resume(name: _Name) -> None:
    """Go on with a feed that was paused, from where it stood; try one that fails at once."""
    _change(name, lambda feed, _, at: replace(feed.reached(feed.cursor), paused="").acted(at, by(), "resumed"))
    line(name, "goes on")


@app.command()
def replay(
    name: _Name,
    since: Annotated[str, typer.Option(metavar="T", help="From an instant on, like 2025-11-25T10:00:00+08:00.")] = "",
    first: Annotated[
        int | None, typer.Option("--from", min=0, metavar="N", help="From an entry of the log on; 0: all.")
    ] = None,
) -> None:
    """Post events once more, with the ids that they had. From an entry behind the one that is next: those between are
    never posted.
    """
    if bool(since) == (first is not None):
        raise typer.BadParameter("say from where: --since T, or --from N", param_hint="--from")

    def moved(feed: Feed, log: Log, at: Millis) -> Feed:
        place = _place(log, since, first)
        return feed.reached(place).acted(at, by(), f"replayed from entry {place}, was at {feed.cursor}")

    line(name, "next entry", _change(name, moved).cursor)


@app.command()
def rotate(name: _Name) -> None:
    """Make a new secret, printed once, as the last word. For a day the former one signs beside it."""
    _change(
        name,
        lambda feed, _, at: replace(feed, secret_n=feed.secret_n + 1, renewed_at=at).acted(at, by(), "secret renewed"),
        shown=True,
    )


@app.command()
def remove(name: _Name) -> None:
    """Post nothing more to a feed. What was done to it stays in the history."""
    _change(name, lambda feed, _, at: replace(feed, removed=True).acted(at, by(), "removed"))
    line(name, "removed")


def _change(name: str, change: Callable[[Feed, Log, Millis], Feed], *, shown: bool = False) -> Feed:
    """Change a feed; print its secret if it is to be shown. Raises BadParameter for an unknown one."""
    with _log() as (engine, log):
        for _ in range(MOST_TRIES):
            was = next((each for each in log.feeds.all() if each.name == name and not each.removed), None)
            if was is None:
                raise typer.BadParameter("no feed of this name: consent feeds list", param_hint="NAME")
            after = change(was, log, engine.registry.now())
            if log.feeds.swap(was, after):
                break
        else:
            raise ArchiveUnavailable(f"feed {name} moves too fast: try again")
    if shown:
        _show(after)
    return after


def _show(feed: Feed) -> None:
    """Print a feed's secret. Where that cannot be written, `rotate` makes another."""
    settings = Settings.load()
    line(f"secret of feed {feed.name}, shown this once: {feed.secret(settings.secret_for(settings.data_dir))}")


def _place(log: Log, since: str, first: int | None) -> int:
    """Return the number that was typed, or that of the first entry of an instant. Raises BadParameter for one that is
    not there.
    """
    if first is None:
        at = millis_of(since, "--since", 0)
        first = log.begins(at)
        while (some := log.entries(first, _PIECE)) and newest_of(entry for _, entry, _ in some) < at:
            first += len(some)
        first = next((n for n, entry, _ in some if newest_of([entry]) >= at), first)
    elif first > (end := end_of(log)):
        raise typer.BadParameter(f"the log ends at {end}", param_hint="--from")
    return first


@contextmanager
def _log() -> Iterator[tuple[Engine, Log]]:
    with opened() as engine:
        if engine.store.log is None:
            raise ArchiveUnavailable("there is no log here")
        yield engine, engine.store.log
