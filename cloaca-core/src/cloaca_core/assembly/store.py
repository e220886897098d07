"""The contract of a whole store: the kernel's, and the parts of all features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cloaca_core.features.child_runs.part import ChildRunStore
from cloaca_core.features.definitions.part import DefinitionStore
from cloaca_core.features.explain.part import RecordedRunStore
from cloaca_core.features.follow_ups.part import FollowUpStore
from cloaca_core.features.limits.part import LimitStore
from cloaca_core.features.queues.part import QueueStore
from cloaca_core.features.reruns.part import RerunStore
from cloaca_core.features.schedules.part import ScheduleStore
from cloaca_core.features.search.part import SearchStore
from cloaca_core.features.steps.part import MemoStore
from cloaca_core.features.task_logs.part import TaskLogStore
from cloaca_core.features.telemetry.part import GaugeStore
from cloaca_core.features.triggers.part import TriggerStore
from cloaca_core.features.upkeep.part import UpkeepStore

if TYPE_CHECKING:
    from cloaca_core.features.transfer.part import Transfer


class Store(
    ScheduleStore,
    TriggerStore,
    RerunStore,
    DefinitionStore,
    FollowUpStore,
    GaugeStore,
    MemoStore,
    SearchStore,
    QueueStore,
    LimitStore,
    RecordedRunStore,
    TaskLogStore,
    UpkeepStore,
    ChildRunStore,
    Protocol,
):
    """One open database. Every backend opens one; the conformance tests check it."""


@runtime_checkable
class TransferStore(Store, Protocol):
    """A store whose tables can be copied as a whole."""

    def transfer(self) -> Transfer:
        """Reads and writes its tables, as long as the store is open."""
