"""A breadth-first search over every state, until there is no new one."""

from collections import deque
from dataclasses import dataclass, field
from time import perf_counter

from consent_engine.domain.lifecycle import State, Trigger
from tests.model.judge import judge, sealed
from tests.model.moves import Scope, moves
from tests.model.standing import Standing, key


class Violation(AssertionError):
    """A broken promise, and the shortest way to it."""


@dataclass
class Found:
    """The figures of a search."""

    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    left: int = 0
    rows: set[tuple[Trigger, State, State]] = field(default_factory=set)
    ends_nowhere: int = 0


def search(scope: Scope) -> Found:
    """Visit every state that can be reached in a scope. Raises Violation with the shortest trace."""
    began, found = perf_counter(), Found()
    start = scope.begins()
    first = key(start, small_talk=scope.small_talk)
    came: dict[object, tuple[object, str]] = {first: (None, "placed")}
    back: dict[object, list[object]] = {}
    todo: deque[tuple[object, Standing]] = deque([(first, start)])
    ends = []
    while todo:
        here, s = todo.popleft()
        if all(order.state.settled or any(p.parked for p in order.effects.values()) for order in s.orders):
            ends.append(here)
        steps = moves(s, scope)
        name = "?"
        try:
            for step in steps:
                name = step.name
                found.transitions += 1
                found.rows |= judge(s, step)
                name_of = key(step.after, small_talk=scope.small_talk)
                back.setdefault(name_of, []).append(here)
                if name_of not in came:
                    came[name_of] = (here, step.name)
                    todo.append((name_of, sealed(step.after, s)))
        except Exception as error:
            raise Violation(
                f"{type(error).__name__}: {error}\n  "
                + "\n  ".join([*trace(came, here), f"{name} <- here or the next"])
            ) from error
    found.states, found.left = len(came), len(todo)
    found.ends_nowhere = len(came) - len(reaching(ends, back))
    found.seconds = perf_counter() - began
    return found


def trace(came, here) -> list[str]:
    names = []
    while here is not None:
        here, name = came[here]
        names.append(name)
    return names[::-1]


def reaching(ends, back) -> set[object]:
    """Return the states from which one of `ends` can be reached."""
    found, news = set(ends), list(ends)
    while news:
        for each in back.get(news.pop(), []):
            if each not in found:
                found.add(each)
                news.append(each)
    return found
