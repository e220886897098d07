"""From a filter to a search of the store, and from there to pages and counts.

Looks up what a term names: workflows by their short names, runs by the beginning of their ids,
people by their names without a host. Runs on the engine's loop.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.search.records import Condition, RunSearch
from cloaca_core.run.rows import RunFilter
from cloaca_core.values.ids import first_id_of
from cloaca_core.values.namespace import SEPARATOR, short_name
from cloaca_core.values.states import RunStatus
from cloaca_core.values.text import is_storable
from cloaca_tools.views.lists.filters import ANY_PARENT, NO_PARENT, SINGLE
from cloaca_tools.views.lists.ids import checked_ref, resolved as resolved_id
from cloaca_tools.views.lists.moments import read_moment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.engine.order import Order
    from cloaca_core.features.search.records import ConditionKind
    from cloaca_core.features.steering.bulk import Steps
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant
    from cloaca_tools.views.lists.filters import Filter, Term

MOST_LOOKED_AT: Final = 6_000
"""Runs that are looked at for one page: so it comes soon, also where few of them match."""
WINDOW: Final = 4_000
"""Runs that one statement looks at."""
COUNTED_AT_ONCE: Final = 20_000
"""The same where they are only counted."""
_GROWTH: Final = 4
_SKEW: Final = 3_600_000_000
"""An hour, in µs: by so much the clocks may differ by which a run's id and ``created_at`` are
made. More would have many runs looked at in vain.
"""
_WITH_ERRORS: Final = (str(RunStatus.FAILED), str(RunStatus.CANCELLED))


class Page(NamedTuple):
    """Runs that match, newest first; the id to go on before, if there may be more; and when."""

    rows: Sequence[RunRow]
    next: str | None
    now: Instant


class Tally(NamedTuple):
    """So many runs match; more of them, unless these are all."""

    number: int
    is_all: bool


async def page(
    engine: Looks, filter_: Filter, limit: int, before: str | None, *, thorough: bool = False
) -> Page:
    """The next runs that match. Fewer than ``limit`` with a ``next``, if many did not match, unless
    it is to be ``thorough``.
    """
    now = await engine.store.now()
    wanted = await resolved(engine, filter_, now)
    rows: list[RunRow] = []
    looked_at, window = 0, min(limit + 1, WINDOW)
    if wanted is None:
        return Page(rows, None, now)
    if before is not None:
        wanted = _lowered(wanted, before)
    while True:
        found = await engine.store.search(wanted._replace(look_at=window))
        rows += found.rows
        looked_at += window
        if len(rows) > limit:
            return Page(rows[:limit], rows[limit - 1].id, now)
        if found.reached is None or (looked_at >= MOST_LOOKED_AT and not thorough):
            return Page(rows, found.reached, now)
        wanted, window = wanted._replace(before=found.reached), min(window * _GROWTH, WINDOW)


async def pages(engine: Looks, wanted: RunSearch) -> AsyncIterator[Sequence[RunRow]]:
    """All runs that match, newest first."""
    reached: str | None = wanted.before
    while True:
        found = await engine.store.search(wanted._replace(before=reached, look_at=WINDOW))
        yield found.rows
        if (reached := found.reached) is None:
            return


async def count(engine: Looks, filter_: Filter) -> int:
    """How many runs match."""
    wanted = await resolved(engine, filter_, await engine.store.now())
    if wanted is None:
        return 0
    if (simple := _as_run_filter(wanted)) is not None:
        return await engine.store.count_runs(simple)
    number = 0
    while True:
        counted = await engine.store.count_found(wanted._replace(look_at=COUNTED_AT_ONCE))
        number += counted.number
        if counted.reached is None:
            return number
        wanted = wanted._replace(before=counted.reached)


async def tally(engine: Looks, filter_: Filter, most: int) -> Tally:
    """How many runs match, up to ``most``; it looks at as many as for a page."""
    wanted = await resolved(engine, filter_, await engine.store.now())
    number = looked_at = 0
    while wanted is not None:
        window = min(most + 1, WINDOW)
        counted = await engine.store.count_found(wanted._replace(look_at=window))
        number += counted.number
        looked_at += window
        if counted.reached is None:
            break
        if number > most or looked_at >= MOST_LOOKED_AT:
            return Tally(min(number, most), is_all=False)
        wanted = wanted._replace(before=counted.reached)
    return Tally(min(number, most), is_all=number <= most)


async def steer(
    engine: Engine, filter_: Filter, order: Order, grace: float, *, dry_run: bool
) -> Steps:
    """Carry an order out on all runs that match; see ``steerable`` for those without a state."""
    from cloaca_core.features.steering.bulk import Steps  # most programs only look
    from cloaca_tools.views.lists.steerable import steerable

    narrowed = steerable(order.kind, filter_)
    wanted = await resolved(engine, narrowed, await engine.store.now())
    if wanted is None:
        return Steps(0, 0)
    found = pages(engine, wanted)
    return await engine.steering.bulk.steer_found(found, order, grace, dry_run=dry_run)


async def resolved(engine: Looks, filter_: Filter, now: Instant) -> RunSearch | None:
    """The search of a filter; None if no run can match."""
    search = RunSearch()
    for term in filter_.terms:
        if term.key in SINGLE:
            search = _bounded(search, term, now)
            continue
        if (condition := await _condition(engine, term)) is None:
            continue
        if not condition.values:
            return None
        search = search._replace(conditions=(*search.conditions, condition))
    if any(each.kind == "error" and not each.negated for each in search.conditions):
        having = Condition("status", _WITH_ERRORS)  # no other run has an error
        search = search._replace(conditions=(*search.conditions, having))
    return search


def _bounded(search: RunSearch, term: Term, now: Instant) -> RunSearch:
    at = read_moment(term.values[0], now)
    assert at is not None, "the term was checked when it was read"
    if term.key == "ended-since":
        at = at if search.ended_since is None else max(at, search.ended_since)
        return search._replace(ended_since=at)
    if term.key == "since":
        at = at if search.since is None else max(at, search.since)
        return search._replace(since=at, after=first_id_of(at - _SKEW))
    at = at if search.until is None else min(at, search.until)
    return _lowered(search._replace(until=at), first_id_of(at + _SKEW))


def _lowered(search: RunSearch, before: str) -> RunSearch:
    return search._replace(before=before if search.before is None else min(before, search.before))


async def _condition(engine: Looks, term: Term) -> Condition | None:
    """The condition of a term. A condition without values matches no run; None matches all."""
    values = term.values
    if term.key == "status":
        if term.negated:  # the states that are left have an index
            values = tuple([str(each) for each in RunStatus if each not in values])
        return Condition("status", values)
    if term.key == "workflow":
        names = [full for name in values for full in await named(engine, name)]
        values = tuple(dict.fromkeys(names))
    elif term.key == "parent":
        if ANY_PARENT in values:
            return Condition("parent", ()) if term.negated else None
        values = tuple([await _parent(engine, each) for each in values])
    elif term.key == "id":
        values = tuple([await _id(engine, each) for each in values])
    elif term.key == "by":
        values = tuple(await engine.store.actors(values))
    if term.negated and not values:
        return None
    return Condition(cast("ConditionKind", term.key), values, term.negated, term.tag or "")


async def _parent(engine: Looks, value: str) -> str:
    """The id of a parent; "" for none."""
    return "" if value == NO_PARENT else await resolved_id(engine, checked_ref(value))


async def _id(engine: Looks, value: str) -> str:
    """The beginning of an id; the id of the run whose place in the order of runs is given."""
    return await resolved_id(engine, value) if value.startswith("@") else value


async def named(engine: Looks, name: str) -> list[str]:
    """The full names of all workflows of a name that are registered here or recorded; the name in
    the program's namespace if there is none: runs of it may be there.
    """
    if SEPARATOR in name:
        return [name]
    registry = engine.registry
    here = [each for each in registry.namespaces() if short_name(each) == name]
    recorded = [each.workflow for each in await engine.store.definitions_named(name)]
    return list(dict.fromkeys([*here, *recorded])) or [registry.full_name(name)]


def checked_workflow(name: str) -> str:
    """A checked name of a workflow."""
    if not isinstance(name, str):
        raise ConfigTypeError(
            f"workflow_name must be a str, not {type(name).__name__}", field="workflow_name"
        )
    if not name or not is_storable(name):
        raise ConfigError(f"workflow_name cannot be {name!r:.80}", field="workflow_name")
    return name


def _as_run_filter(search: RunSearch) -> RunFilter | None:
    """The same as a filter whose runs the store counts by an index; None if it is none."""
    if search.ended_since is not None:
        return None
    wanted = RunFilter((), before=search.before, after=search.after, limit=sys.maxsize)
    wanted = wanted._replace(since=search.since, until=search.until)
    for each in search.conditions:
        if each.negated:
            return None
        match each.kind, each.values:
            case "status", values if not wanted.statuses:
                wanted = wanted._replace(statuses=values)
            case "workflow", (workflow,) if wanted.workflow is None:
                wanted = wanted._replace(workflow=workflow)
            case "parent", (parent_id,) if parent_id and wanted.parent_id is None:
                wanted = wanted._replace(parent_id=parent_id)
            case "tag", (value,):
                wanted = wanted._replace(tags=(*wanted.tags, (each.key, value)))
            case _:
                return None
    return wanted
