"""Finds runs, schedules and triggers whose workflow no live runner seems to have.

No table says which workflows other runners have registered. So this judges by three signs: the
work's workflow is not registered here, no live runner owns a run of it, and the work makes no
progress. The store lists the work; ``watch`` decides when to look, and warns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cloaca_core.values.arguments import nearest_name
from cloaca_core.values.namespace import short_name
from cloaca_core.values.times.instants import SECOND, Instant

if TYPE_CHECKING:
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.run.rows import WaitingRow
    from cloaca_core.store.batch import Waiting

Kind: TypeAlias = Literal["run", "schedule", "trigger"]


class Unmet(NamedTuple):
    """Work of one kind for one workflow. ``mark`` does not change as long as no runner works on it.
    ``since`` is the instant since when the first run may be claimed, None for the other kinds.
    """

    kind: Kind
    workflow: str
    number: int
    mark: str
    since: Instant | None = None


class Followed(NamedTuple):
    """Work that has had the same mark since ``seen_at``, in seconds of the monotonic clock."""

    unmet: Unmet
    seen_at: float
    since: Instant


Key: TypeAlias = tuple[Kind, str]


def unmet_work(
    waiting: Waiting, triggers: Sequence[TriggerRow], known: Collection[str], now: Instant
) -> list[Unmet]:
    """The work of workflows other than the ``known`` ones that a runner should have begun.

    A schedule that is not due yet, or a trigger, counts only if there is no other runner. Beside
    others, a trigger fires anyway, and its run is then found waiting.
    """
    alone = waiting.other_runners == 0
    rows = [row for row in waiting.rows if row.workflow not in known]
    found = [_unmet(row, alone) for row in rows if alone or row.due_at <= now]
    return found + (_unmet_triggers(triggers, known) if alone else [])


def _unmet(row: WaitingRow, alone: bool) -> Unmet:
    if row.kind == "run":
        return Unmet("run", row.workflow, row.found, row.first_run, row.due_at)
    return Unmet("schedule", row.workflow, row.found, "" if alone else str(row.due_at))


def _unmet_triggers(triggers: Sequence[TriggerRow], known: Collection[str]) -> list[Unmet]:
    lacking = [row.workflow for row in triggers if row.enabled and row.workflow is not None]
    workflows = dict.fromkeys(each for each in lacking if each not in known)
    return [Unmet("trigger", each, lacking.count(each), "") for each in workflows]


def follow(
    before: Mapping[Key, Followed],
    found: Sequence[Unmet],
    seen_at: float,
    now: Instant,
    unseen_for: float,
) -> dict[Key, Followed]:
    """Keep the first sighting of work whose mark has not changed. The last look was ``unseen_for``
    seconds ago.
    """
    followed = {}
    for each in found:
        key = (each.kind, each.workflow)
        known = before.get(key)
        if known is not None and known.unmet.mark == each.mark:
            followed[key] = known._replace(unmet=each)
        else:
            begun = seen_at - _known_wait(each, now, unseen_for)
            followed[key] = Followed(each, begun, now if each.since is None else each.since)
    return followed


def _known_wait(unmet: Unmet, now: Instant, unseen_for: float) -> float:
    """Seconds that a run that may be claimed since the last look has waited. Older work counts
    from now: it may have been released only just.
    """
    age = 0.0 if unmet.since is None else (now - unmet.since) / SECOND
    return age if 0.0 < age <= unseen_for else 0.0


def next_look(followed: Mapping[Key, Followed], seen_at: float, patience: float) -> float:
    """Seconds until the first of the work that does not last yet may do so, else ``patience``."""
    left = [each.seen_at + patience - seen_at for each in followed.values()]
    return min([seconds for seconds in left if seconds > 0], default=patience)


def lasting(
    followed: Mapping[Key, Followed], seen_at: float, patience: float
) -> dict[str, list[Followed]]:
    """By workflow, the work that has not moved for ``patience`` seconds."""
    unserved: dict[str, list[Followed]] = {}
    for each in followed.values():
        if seen_at - each.seen_at >= patience:
            unserved.setdefault(each.unmet.workflow, []).append(each)
    return unserved


def nearest(workflow: str, known: Collection[str]) -> str | None:
    """The full name of the known workflow that may have been meant, by the last part of the name:
    the first parts of names are often the same.
    """
    named = {short_name(each): each for each in known}
    close = nearest_name(short_name(workflow), named)
    return None if close is None else named[close]


def warning_about(workflow: str, work: Sequence[Followed], meant: str | None) -> str:
    """The text of the warning about a workflow."""
    counted = " and ".join(_counted(each.unmet) for each in work)
    hint = "" if meant is None else f"; did you mean {meant!r}?"
    return (
        f"no runner takes up workflow {workflow!r}, which is not registered here: "
        f"{counted} waiting for it{hint}"
    )


def _counted(unmet: Unmet) -> str:
    plural = "" if unmet.number == 1 else "s"
    return f"{unmet.number} {unmet.kind}{plural}"
