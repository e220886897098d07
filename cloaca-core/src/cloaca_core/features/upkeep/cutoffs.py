"""Decides which runs have passed their retention. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloaca_core.features.upkeep.records import KeptWorkflow
from cloaca_core.values.times.retention import FOR_EVER


class Rule(NamedTuple):
    """How long runs are kept, besides the recorded retention of workflows. ``usual`` is the
    retention of other workflows in µs, None for ever. ``before`` is an instant in place of every
    retention. ``workflow`` is the only one that is pruned.
    """

    usual: int | None
    before: int | None = None
    workflow: str | None = None


class Cutoff(NamedTuple):
    """Runs of a workflow that ended before an instant go."""

    workflow: str
    before: int


def cutoffs(kept: Sequence[KeptWorkflow], rule: Rule, now: int) -> list[Cutoff]:
    """For each workflow with runs to delete: which of them."""
    found = []
    for each in kept:
        before = _before(each.retention, rule, now)
        if before is not None and rule.workflow in (None, each.workflow):
            found.append(Cutoff(each.workflow, before))
    return found


def cutoff_of_deleted_schedules(rule: Rule, now: int) -> int | None:
    """Before which instant ticks of deleted schedules go, None for none of them."""
    return None if rule.workflow is not None else _before(None, rule, now)


def usual_retention(usual: int | None, *, was_set: bool, keeps_all: bool) -> int | None:
    """The retention in µs of workflows that set none; None for ever. A database of an earlier
    version keeps everything until a program has set a retention.
    """
    return usual if was_set or not keeps_all else None


def _before(retention: int | None, rule: Rule, now: int) -> int | None:
    if rule.before is not None:
        return rule.before
    kept = rule.usual if retention is None else retention
    return None if kept is None or kept == FOR_EVER else now - kept
