"""``Store`` over any SQL database: the kernel's store, and the parts of all features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.child_runs.sql import SqlChildRuns
from cloaca_core.features.definitions.sql import SqlDefinitions
from cloaca_core.features.explain.sql import SqlRecordedRuns
from cloaca_core.features.follow_ups.sql import SqlFollowUps
from cloaca_core.features.limits.sql import SqlLimits
from cloaca_core.features.maps.sql import SqlMaps
from cloaca_core.features.queues.sql import SqlQueues
from cloaca_core.features.reruns.sql import SqlReruns
from cloaca_core.features.schedules.sql import SqlSchedules
from cloaca_core.features.search.sql import SqlSearches
from cloaca_core.features.singletons.sql import SqlSingletons
from cloaca_core.features.steering.children_sql import SqlChildren
from cloaca_core.features.steering.paused_workflows_sql import SqlPausedWorkflows
from cloaca_core.features.steering.sql import SqlSteering
from cloaca_core.features.steps.sql import SqlMemos
from cloaca_core.features.task_logs.sql import SqlTaskLogs
from cloaca_core.features.telemetry.sql import SqlGauges
from cloaca_core.features.triggers.sql import SqlTriggers
from cloaca_core.features.upkeep.sql import SqlUpkeep
from cloaca_core.features.waits.sql import SqlWaits
from cloaca_core.store.sql.store import SqlKernelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.features.transfer.part import Transfer
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.store.sql.commit_part import MakePart
    from cloaca_core.store.sql.dialect import Dialect
    from cloaca_core.store.transactions import Transactions


class SqlStore(
    SqlKernelStore,
    SqlSchedules,
    SqlTriggers,
    SqlSteering,
    SqlPausedWorkflows,
    SqlChildren,
    SqlChildRuns,
    SqlReruns,
    SqlSingletons,
    SqlDefinitions,
    SqlFollowUps,
    SqlGauges,
    SqlLimits,
    SqlMaps,
    SqlMemos,
    SqlSearches,
    SqlQueues,
    SqlTaskLogs,
    SqlRecordedRuns,
    SqlUpkeep,
    SqlWaits,
):
    """The store of every backend that has a ``Dialect``. Contracts: see ``Store``."""

    def __init__(
        self,
        dialect: Dialect,
        outbox: Outbox | None = None,
        transactions: Callable[[], Transactions] | None = None,
    ) -> None:
        super().__init__(dialect, outbox, _commit_parts, transactions)

    def transfer(self) -> Transfer:
        from cloaca_core.features.transfer.sql import (
            SqlTransfer,  # here: few programs copy databases
        )

        return SqlTransfer(self._dialect)


def _commit_parts() -> Sequence[MakePart]:
    from cloaca_core.assembly.commit_parts import COMMIT_PARTS  # a program that only reads has none

    return COMMIT_PARTS
