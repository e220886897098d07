"""The test kit: the real engine, driven by a test on a clock of its own.

``harness`` is the entry. It makes an engine (``host``) that has neither a thread nor a clock: its
loop (``virtual_loop``) and its bodies (``executor``) are driven by the calls of the test
(``driver``), over a real database (``store_view``). ``simulate`` lets several such engines share a
database under faults (``simulation``).
"""

from cloaca_testing.cases import Case as Case
from cloaca_testing.clock import HarnessClock as HarnessClock
from cloaca_testing.every_point import (
    Crash as Crash,
    CrashReport as CrashReport,
    crash_at_every_point as crash_at_every_point,
)
from cloaca_testing.kit import Harness as Harness, harness as harness
from cloaca_testing.options import (
    HarnessOptions as HarnessOptions,
    SubmitOptions as SubmitOptions,
)
from cloaca_testing.runs import HarnessRun as HarnessRun
from cloaca_testing.simulation.plan import NO_FAULTS as NO_FAULTS, Faults as Faults
from cloaca_testing.simulation.simulate import (
    SimulationError as SimulationError,
    SimulationReport as SimulationReport,
    simulate as simulate,
)
from cloaca_testing.virtual_loop import StandstillError as StandstillError

__all__ = [
    "harness",
    "Harness",
    "HarnessOptions",
    "SubmitOptions",
    "HarnessClock",
    "HarnessRun",
    "Case",
    "StandstillError",
    "crash_at_every_point",
    "CrashReport",
    "Crash",
    "simulate",
    "Faults",
    "NO_FAULTS",
    "SimulationReport",
    "SimulationError",
]
