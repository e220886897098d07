"""The test kit: workflows under test, on a clock that the test moves."""

from cloaca import _testing as _testing  # first: says what to install where the kit is missing
from cloaca_testing import (
    NO_FAULTS as NO_FAULTS,
    Case as Case,
    Crash as Crash,
    CrashReport as CrashReport,
    Faults as Faults,
    Harness as Harness,
    HarnessClock as HarnessClock,
    HarnessOptions as HarnessOptions,
    HarnessRun as HarnessRun,
    SimulationError as SimulationError,
    SimulationReport as SimulationReport,
    StandstillError as StandstillError,
    SubmitOptions as SubmitOptions,
    crash_at_every_point as crash_at_every_point,
    harness as harness,
    simulate as simulate,
)

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
    "simulate",
    "Faults",
    "NO_FAULTS",
    "SimulationReport",
    "SimulationError",
    "Crash",
]
