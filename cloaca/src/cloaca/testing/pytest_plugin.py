"""The fixture ``harness`` for pytest: ``pytest_plugins = ["cloaca.testing.pytest_plugin"]``."""

from cloaca_testing.pytest_plugin import (
    harness as harness,
    harness_options as harness_options,
)
