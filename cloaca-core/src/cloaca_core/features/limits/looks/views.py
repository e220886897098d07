"""Limits as people look at them: settings, use, keys, holders and waiters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloaca_core.features.limits.records import ALL_KEYS, Need
from cloaca_core.values.limits.gcra import allowed_at
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings, shown_settings
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.features.limits.looks.records import LimitLoad, LimitLook, Load
    from cloaca_core.values.limits.rates import Rate
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.instants import Instant


@dataclass(frozen=True, slots=True)
class LimitInfo(Shown):
    """A limit, with the settings that count now, and its use. None is no limit.

    ``definition`` has the settings that the newest program defines, ``changes`` those that
    ``changed_by`` and others have set over it with ``set_limit``, the last of them at
    ``changed_at``; both by the names of the arguments, and ``"none"`` where a limit is lifted.

    ``used`` places are taken; ``waiting`` bodies and items of maps want one, of 10,000 waiters at
    most; the one that waits longest does so since ``oldest``. Before ``next_start`` the rate
    allows no start; None if it allows one now. Instants are RFC 3339 in UTC.
    """

    name: str
    total: int | None
    per_key: int | None
    rate: str | None
    burst: int | None
    rate_per_key: str | None
    burst_per_key: int | None
    definition: Mapping[str, int | str]
    changes: Mapping[str, int | str]
    changed_by: str | None
    changed_at: str | None
    used: int
    waiting: int
    oldest: str | None
    next_start: str | None


@dataclass(frozen=True, slots=True)
class LimitKeyInfo(Shown):
    """The use of a limit by one key, as in ``LimitInfo``. ``waiting`` counts what stands in line
    for this key: of a limit without ``per_key`` and ``rate_per_key`` all stand in one line.
    """

    key: str | int | bool
    used: int
    waiting: int
    oldest: str | None
    next_start: str | None


@dataclass(frozen=True, slots=True)
class LimitHolder(Shown):
    """A body, or a run (``task_id`` None), that has a place since then. ``workflow_name`` is None
    if the run is gone; ``item`` is the index of an item of a map; ``key`` is None without one.
    """

    run_id: str
    workflow_name: str | None
    task_id: str | None
    item: int | None
    key: str | int | bool | None
    since: str
    runner_id: str | None


@dataclass(frozen=True, slots=True)
class LimitWaiter(Shown):
    """A body, a run, or ``units`` items of a map, that want a place; see ``LimitHolder``. ``needs``
    are all limits that it wants together, each with its key.
    """

    run_id: str
    workflow_name: str | None
    task_id: str | None
    item: int | None
    key: str | int | bool | None
    since: str
    units: int
    needs: tuple[tuple[str, str | int | bool | None], ...]


@dataclass(frozen=True, slots=True)
class LimitDetails(Shown):
    """A limit closely: keys, of which those come first that wait longest, holders and waiters, the
    first first. There may be more of each.
    """

    limit: LimitInfo
    keys: tuple[LimitKeyInfo, ...]
    holders: tuple[LimitHolder, ...]
    waiters: tuple[LimitWaiter, ...]


def infos(loads: Sequence[LimitLoad], now: Instant) -> list[LimitInfo]:
    """All limits as views."""
    return [_info(each, now) for each in loads]


def details(look: LimitLook, now: Instant) -> LimitDetails:
    """One limit as a view."""
    name, rate = look.limit.row.name, _settings(look.limit).key_rate
    return LimitDetails(
        limit=_info(look.limit, now),
        keys=tuple([_key_info(key, load, rate, now) for key, load in look.keys]),
        holders=tuple(
            [
                LimitHolder(
                    run_id=each.run_id,
                    workflow_name=_workflow_name(look, each.run_id),
                    task_id=each.task_id or None,
                    item=_item(each.item),
                    key=_key_of(each.needs, name),
                    since=rfc3339(each.given_at),
                    runner_id=each.runner_id,
                )
                for each in look.holders
            ]
        ),
        waiters=tuple(
            [
                LimitWaiter(
                    run_id=each.run_id,
                    workflow_name=_workflow_name(look, each.run_id),
                    task_id=each.task_id or None,
                    item=_item(each.item),
                    key=_key_of(each.needs, name),
                    since=rfc3339(each.since),
                    units=each.units,
                    needs=tuple([(limit, _key(key)) for limit, key in each.needs]),
                )
                for each in look.waiters
            ]
        ),
    )


def _workflow_name(look: LimitLook, run_id: str) -> str | None:
    workflow = look.workflows.get(run_id)
    return None if workflow is None else short_name(workflow)


def _settings(load: LimitLoad) -> LimitSettings:
    changes = LimitChanges.read(load.row.changes)
    return LimitSettings.read(load.row.content).changed_by(changes)


def _info(found: LimitLoad, now: Instant) -> LimitInfo:
    row, load, settings = found.row, found.load, _settings(found)
    rate, key_rate = settings.rate, settings.key_rate
    return LimitInfo(
        name=row.name,
        total=settings.total,
        per_key=settings.per_key,
        rate=None if rate is None else rate.text,
        burst=None if rate is None else rate.burst,
        rate_per_key=None if key_rate is None else key_rate.text,
        burst_per_key=None if key_rate is None else key_rate.burst,
        definition=shown_settings(LimitSettings.read(row.content)),
        changes=shown_settings(LimitChanges.read(row.changes)),
        changed_by=row.changed_by,
        changed_at=rfc3339_or_none(row.changed_at),
        used=load.held,
        waiting=load.waiting,
        oldest=rfc3339_or_none(load.oldest),
        next_start=_next_start(load, rate, now),
    )


def _key_info(key: str, load: Load, rate: Rate | None, now: Instant) -> LimitKeyInfo:
    shown = _key(key)
    assert shown is not None, "a key of a line"
    oldest = rfc3339_or_none(load.oldest)
    return LimitKeyInfo(shown, load.held, load.waiting, oldest, _next_start(load, rate, now))


def _next_start(load: Load, rate: Rate | None, now: Instant) -> str | None:
    if rate is None or (at := allowed_at(rate, load.tat, now)) <= now:
        return None
    return rfc3339(at)


def _item(item: int) -> int | None:
    return None if item < 0 else item


def _key_of(needs: Sequence[Need], name: str) -> str | int | bool | None:
    return next((_key(key) for limit, key in needs if limit == name), None)


def _key(key: str) -> str | int | bool | None:
    if key == ALL_KEYS:
        return None
    value: JsonValue = decode(key)
    assert isinstance(value, str | int), "keys are texts, integers and booleans"
    return value
