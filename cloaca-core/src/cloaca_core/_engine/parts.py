"""The classes that an engine is made of, in one import.

They are not needed before the database is open, and opening one is mostly waiting; so a runner
imports them meanwhile (``load_engine`` of the host), on the thread that would only wait.
"""

from __future__ import annotations

from cloaca_core._engine.claim.claimer import Claimer as Claimer
from cloaca_core._engine.execute.executor import Executor as Executor
from cloaca_core._engine.fire.schedule_loop import ScheduleLoop as ScheduleLoop
from cloaca_core._engine.fire.trigger_loop import TriggerLoop as TriggerLoop
from cloaca_core._engine.observe.unserved_watch import UnservedWatch as UnservedWatch
from cloaca_core._engine.orchestrate.active_runs import ActiveRuns as ActiveRuns
from cloaca_core._engine.orchestrate.capacity import Capacity as Capacity
from cloaca_core._engine.orchestrate.orchestrator import Orchestrator as Orchestrator
from cloaca_core._engine.plan.active_run import ActiveRunFactory as ActiveRunFactory
from cloaca_core._engine.record.journal import Journal as Journal
from cloaca_core._engine.record.start_marks import StartMarks as StartMarks
from cloaca_core._engine.recover.lease import Lease as Lease
from cloaca_core._engine.recover.process_identity import this_process as this_process
from cloaca_core._engine.recover.runner_id import RunnerId as RunnerId
from cloaca_core._engine.recover.takeover import Takeover as Takeover
from cloaca_core._engine.submit.submitter import Submitter as Submitter
from cloaca_core.values.ids import RunIds as RunIds
