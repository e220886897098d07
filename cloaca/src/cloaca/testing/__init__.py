"""The test kit: workflows under test, on a clock that the test moves."""

from cloaca import _testing as _testing  # first: says what to install where the kit is missing
from cloaca_testing import (
    Case as Case,
    Crash as Crash,
    CrashReport as CrashReport,
    Harness as Harness,
    HarnessClock as HarnessClock,
    HarnessOptions as HarnessOptions,
    HarnessRun as HarnessRun,
    StandstillError as StandstillError,
    SubmitOptions as SubmitOptions,
    crash_at_every_point as crash_at_every_point,
    harness as harness,
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
    "Crash",
]
