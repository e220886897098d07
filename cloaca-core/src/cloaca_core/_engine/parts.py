"""The classes that an engine is made of, in one import.

They are not needed before the database is open, and opening one is mostly waiting; so a runner
imports them meanwhile (``load_engine`` of the host), on the thread that would only wait.
"""

from __future__ import annotations

from cloaca_core._engine.admission import Admission as Admission
from cloaca_core._engine.conductor import Conductor as Conductor
from cloaca_core._engine.executor import Executor as Executor
from cloaca_core._engine.firing import ScheduleLoop as ScheduleLoop
from cloaca_core._engine.identity import this_process as this_process
from cloaca_core._engine.ids import RunIds as RunIds
from cloaca_core._engine.journal import Journal as Journal
from cloaca_core._engine.lease import Lease as Lease
from cloaca_core._engine.polling import PollingLoop as PollingLoop
from cloaca_core._engine.takeover import Takeover as Takeover
from cloaca_core._engine.unserved_watch import UnservedWatch as UnservedWatch
