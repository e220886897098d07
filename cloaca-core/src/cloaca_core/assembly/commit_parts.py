"""The features that write rows with a batch of the journal, or when runs end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloaca_core.features.child_runs.commit import ChildRunCommit
from cloaca_core.features.follow_ups.commit import FollowUpCommit
from cloaca_core.features.inputs.commit import input_commit
from cloaca_core.features.limits.commit import LimitCommit
from cloaca_core.features.maps.commit import map_commit
from cloaca_core.features.queues.commit import queue_commit
from cloaca_core.features.schedules.commit import ScheduleCommit
from cloaca_core.features.singletons.commit import SingletonCommit
from cloaca_core.features.steps.commit import MemoCommit
from cloaca_core.features.task_logs.commit import TaskLogCommit
from cloaca_core.features.triggers.commit import TriggerCommit
from cloaca_core.features.waits.commit import WaitCommit
from cloaca_core.store.sql.commit_part import MakePart

COMMIT_PARTS: Final[Sequence[MakePart]] = (
    ScheduleCommit,
    SingletonCommit,
    TriggerCommit,
    WaitCommit,
    MemoCommit,
    map_commit,
    TaskLogCommit,
    FollowUpCommit,
    ChildRunCommit,
    queue_commit,
    input_commit,
    LimitCommit,
)
"""The features that write rows with a batch. At each stage they come in this order, which is part
of correctness.
"""
