"""The test kit: workflows under test, on a clock that the test moves."""

from cloaca_core.testing import (
    Harness as Harness,
    HarnessClock as HarnessClock,
    HarnessRun as HarnessRun,
    StandstillError as StandstillError,
    harness as harness,
)

__all__ = ["harness", "Harness", "HarnessClock", "HarnessRun", "StandstillError"]
