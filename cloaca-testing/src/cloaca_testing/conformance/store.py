"""The contract of ``Store``, one test for each promise of its docstrings.

A test uses one open store; its concurrent callers are coroutines. Tests with several stores and
processes on one database are in ``backend``.
"""

from __future__ import annotations

import pytest

from cloaca_testing.conformance.child_runs import ChildRunConformance
from cloaca_testing.conformance.definitions import DefinitionConformance
from cloaca_testing.conformance.limits.of_runs import RunLimitConformance
from cloaca_testing.conformance.limits.places import LimitConformance
from cloaca_testing.conformance.limits.settings import LimitSettingsConformance
from cloaca_testing.conformance.maps import MapConformance
from cloaca_testing.conformance.recorded_runs import RecordedRunConformance
from cloaca_testing.conformance.runs.batches import CommitConformance
from cloaca_testing.conformance.runs.claims import ClaimConformance
from cloaca_testing.conformance.runs.follow_ups import FollowUpConformance
from cloaca_testing.conformance.runs.gauges import GaugeConformance
from cloaca_testing.conformance.runs.leases import LeaseConformance
from cloaca_testing.conformance.runs.lists import ObserveConformance
from cloaca_testing.conformance.runs.payloads import PayloadConformance
from cloaca_testing.conformance.runs.queues import QueueConformance
from cloaca_testing.conformance.runs.searches import SearchConformance
from cloaca_testing.conformance.runs.singletons import SingletonConformance
from cloaca_testing.conformance.schedules.overlaps import OverlapConformance
from cloaca_testing.conformance.schedules.schedules import ScheduleConformance
from cloaca_testing.conformance.schedules.triggers import TriggerConformance
from cloaca_testing.conformance.steering.acts import ActConformance
from cloaca_testing.conformance.steering.cancelled import CancelledConformance
from cloaca_testing.conformance.steering.cancels import CancelConformance
from cloaca_testing.conformance.steering.children import ChildrenConformance
from cloaca_testing.conformance.steering.claim_order import ClaimOrderConformance
from cloaca_testing.conformance.steering.forks import ForkConformance
from cloaca_testing.conformance.steering.parks import ParkConformance
from cloaca_testing.conformance.steering.paused_children import (
    PausedChildrenConformance,
)
from cloaca_testing.conformance.steering.pauses import PauseConformance
from cloaca_testing.conformance.steering.rests import RestConformance
from cloaca_testing.conformance.steering.resumes import ResumeConformance
from cloaca_testing.conformance.steering.retries import RetryConformance
from cloaca_testing.conformance.steering.start_limits import StartLimitConformance
from cloaca_testing.conformance.steering.unserved import UnservedConformance
from cloaca_testing.conformance.task_logs import TaskLogConformance
from cloaca_testing.conformance.upkeep import UpkeepConformance
from cloaca_testing.conformance.waits.approvals import ApprovalConformance
from cloaca_testing.conformance.waits.memos import MemoConformance
from cloaca_testing.conformance.waits.messages import MessageConformance
from cloaca_testing.conformance.waits.waits import WaitConformance


class StoreConformance(
    CommitConformance,
    ClaimConformance,
    QueueConformance,
    GaugeConformance,
    MapConformance,
    LimitConformance,
    LimitSettingsConformance,
    RunLimitConformance,
    LeaseConformance,
    ObserveConformance,
    SearchConformance,
    ScheduleConformance,
    OverlapConformance,
    SingletonConformance,
    TriggerConformance,
    ActConformance,
    CancelConformance,
    PauseConformance,
    StartLimitConformance,
    RecordedRunConformance,
    CancelledConformance,
    ChildrenConformance,
    PausedChildrenConformance,
    ClaimOrderConformance,
    ParkConformance,
    RetryConformance,
    ForkConformance,
    ResumeConformance,
    RestConformance,
    UnservedConformance,
    PayloadConformance,
    DefinitionConformance,
    FollowUpConformance,
    MemoConformance,
    TaskLogConformance,
    WaitConformance,
    MessageConformance,
    ApprovalConformance,
    UpkeepConformance,
    ChildRunConformance,
):
    """Define a fixture ``store``: an open, empty store."""

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio
