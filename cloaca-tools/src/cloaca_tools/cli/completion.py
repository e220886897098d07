"""Completes the word that is being typed in a shell: ids and names that the database holds.

Looks read-only at the database that the options before the word, the variables or the files name.
Offers nothing where it cannot look: a line that is being typed is no place for an error. Knows no
shell; ``bash`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, suppress
from io import StringIO
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from cloaca_tools.cli.where import Where

    Item: TypeAlias = CompletionItem
    Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[Item]]
    Offer: TypeAlias = Callable[[Where, str], Iterable[Item]]

MOST: Final = 50
"""Words that are offered at once."""
PATIENCE: Final = 2.0
"""Seconds after which nothing is offered."""
_SCHEDULES: Final = 10_000


# -- what is offered -----------------------------------------------------------------------------


def _runs(where: Where, word: str) -> Iterator[Item]:
    """The newest runs whose ids begin with the word."""
    terms = [f"id:{word}"] if word else []
    with where.observing() as observer:
        for run in observer.runs(*terms, limit=MOST).wait().runs:
            yield CompletionItem(run.id, help=f"{run.workflow_name} {run.status}")


def _workflows(where: Where, word: str) -> Iterator[Item]:
    with where.observing() as observer:
        lines = observer.workflows().wait()
    yield from _named([(each.workflow_name, _paused(each.paused)) for each in lines], word)


def _paused(is_so: bool) -> str | None:
    return "paused" if is_so else None


def _schedules(where: Where, word: str) -> Iterator[Item]:
    with where.looking() as client:
        rows = client.list_cron_schedules(limit=_SCHEDULES)
    names = [(row["name"] or row["id"], _started(row)) for row in rows]
    yield from _named(names, word)


def _triggers(where: Where, word: str) -> Iterator[Item]:
    with where.looking() as client:
        rows = client.list_trigger_schedules(limit=_SCHEDULES)
    yield from _named([(row["trigger_name"], _started(row)) for row in rows], word)


def _started(row: dict[str, object]) -> str:
    state = "" if row["enabled"] else " (disabled)"
    return f"{row['workflow_name']}{state}"


def _runners(where: Where, word: str) -> Iterator[Item]:
    from cloaca_tools.cli.words import runner_state

    with where.observing() as observer:
        lines = observer.overview().wait().runners
    states = [
        runner_state(alive=each.alive, draining=each.draining_since is not None) for each in lines
    ]
    yield from _named(zip([each.id for each in lines], states, strict=True), word)


def _limits(where: Where, word: str) -> Iterator[Item]:
    with where.looking() as client:
        found = client.limits()
    yield from _named([(each.name, None) for each in found], word)


def _named(found: Iterable[tuple[str, str | None]], word: str) -> Iterator[Item]:
    """Those whose names begin with the word."""
    for name, help_ in found:
        if name.startswith(word):
            yield CompletionItem(name, help=help_)


# -- terms ---------------------------------------------------------------------------------------


def _terms(where: Where, word: str) -> Iterator[Item]:
    """Terms that begin with the word: keys, and the values of a key that has known ones."""
    from cloaca_tools.views.lists.filters import KEYS

    sign = "-" if word.startswith("-") else ""
    key, colon, values = word.removeprefix("-").partition(":")
    if colon:
        yield from _prefixed(f"{sign}{key}:", _values(where, key, values))
        return
    keys = [each for each in KEYS if each.startswith(key.lower())]
    for each in keys:
        known = list(_values(where, each, "")) if len(keys) == 1 else []
        if known:
            yield from _prefixed(f"{sign}{each}:", known)
        else:
            yield CompletionItem(f"{sign}{each}{'.' if each == 'tag' else ':'}")


def _values(where: Where, key: str, values: str) -> Iterator[Item]:
    """The values of a term; the last of them is being typed."""
    before, comma, word = values.rpartition(",")
    offers = {"status": _statuses, "workflow": _workflows, "id": _runs, "parent": _runs}
    if (offer := offers.get(key.lower())) is not None:
        yield from _prefixed(f"{before}{comma}", offer(where, word))


def _statuses(_: Where, word: str) -> Iterator[Item]:
    from cloaca_core.values.states import RunStatus

    yield from _named([(str(each).lower(), None) for each in RunStatus], word.lower())


def _prefixed(prefix: str, items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield CompletionItem(f"{prefix}{item.value}", help=item.help)


def _runs_and_terms(where: Where, word: str) -> Iterator[Item]:
    yield from _terms(where, word)
    if ":" not in word:
        yield from _runs(where, word)


# -- how it is offered ---------------------------------------------------------------------------


def _from(offer: Offer) -> Complete:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[Item]:
        return _within(PATIENCE, lambda: _quietly(offer, _where(ctx), incomplete))

    return complete


def _where(ctx: click.Context) -> Where:
    """Where the command will look: the group has read its own options, and not passed them on."""
    from cloaca_tools.cli.where import Where

    given = ctx.find_object(Where) or Where()
    root = ctx.find_root().params
    return Where(
        given.app or root.get("app"),
        given.database_url or root.get("database_url"),
        given.schema or root.get("schema"),
    )


def _quietly(offer: Offer, where: Where, word: str) -> list[Item]:
    """The items up to an error, of which nothing is written: the command will tell it."""
    found = []
    with redirect_stderr(StringIO()), suppress(Exception):
        for item in islice(offer(where, word), MOST):
            found.append(item)  # noqa: PERF402 # what came before an error is kept
    return found


def _within(seconds: float, answer: Callable[[], list[Item]]) -> list[Item]:
    """The answer, or nothing when it takes longer."""
    found: SimpleQueue[list[Item]] = SimpleQueue()
    Thread(target=lambda: found.put(answer()), name="cloaca-completion", daemon=True).start()
    try:
        return found.get(timeout=seconds)
    except Empty:
        return []


RUNS: Final[Complete] = _from(_runs)
WORKFLOWS: Final[Complete] = _from(_workflows)
SCHEDULES: Final[Complete] = _from(_schedules)
TRIGGERS: Final[Complete] = _from(_triggers)
RUNNERS: Final[Complete] = _from(_runners)
LIMITS: Final[Complete] = _from(_limits)
TERMS: Final[Complete] = _from(_terms)
RUNS_AND_TERMS: Final[Complete] = _from(_runs_and_terms)
