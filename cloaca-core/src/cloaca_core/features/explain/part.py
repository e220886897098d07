"""Explanations: the contract of what is read of a run and of those who may execute it."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.definitions.part import DefinitionStore
from cloaca_core.features.explain.records import RecordedRun
from cloaca_core.features.search.part import SearchStore
from cloaca_core.store.protocol import KernelStore


class RecordedRunStore(KernelStore, Protocol):
    """How a run stands."""

    async def recorded_run(self, run_id: str, most: int) -> RecordedRun | None:
        """All that is recorded about a run, of one instant; None if no run has this id.

        Attempts are ordered by task and attempt, restarts by task and first attempt, children by
        id, runners oldest first, fenced ones included, waits by their keys, unread messages by kind
        and name, those without a number included. At most ``most`` children are read, and at most
        ``most`` runs counted, of each runner and ahead of this one. The suspect is a running body
        with ``SUSPECT_AFTER`` crashes that is on no executor, of a run of the same owner that was
        taken over as often; one that its owner has begun comes first, then by run and task. Only
        reads.
        """


class ExplainStore(RecordedRunStore, DefinitionStore, SearchStore, Protocol):
    """All that an explanation is read from."""
