"""Explanations: the contract of reading the facts about a run and its possible runners."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.definitions.part import DefinitionStore
from cloaca_core.features.explain.records import RecordedRun
from cloaca_core.features.limits.part import LimitReads
from cloaca_core.features.search.part import SearchStore
from cloaca_core.store.protocol import KernelStore


class RecordedRunStore(KernelStore, Protocol):
    """Reads the recorded facts about a run."""

    async def recorded_run(self, run_id: str, most: int) -> RecordedRun | None:
        """All that is recorded about a run, as of one instant; None if no run has this id.

        Attempts are ordered by task and attempt, restarts by task and first attempt, children by
        id, runners oldest first, fenced ones included, waits by their keys, unread messages by
        kind, name and addressee, messages without a number included. At most ``most`` children are
        read, and at most ``most`` runs counted, of each runner and ahead of this run. The suspect
        is a running body with ``SUSPECT_AFTER`` crashes, not on an executor, of a run of the same
        owner that was taken over as often; a body that its owner has begun comes first, then by run
        and task. Only reads.
        """


class ExplainStore(RecordedRunStore, DefinitionStore, SearchStore, LimitReads, Protocol):
    """All that an explanation is read from."""
