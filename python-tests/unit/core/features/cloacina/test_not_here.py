"""Names of 0.12 that are kept raise an error that says why, and what to use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.errors import NotHereError

RUNNER: Any = DefaultRunner.__new__(DefaultRunner)


@each_row(
    ("call", "message"),
    [
        (lambda: cloaca.constructor("a", "lib", "make"), "'a', 'lib'.*WASM.*@cloaca.task"),
        (cloaca.TaskDecorator, "use cloaca.task$"),
        (cloaca.TriggerDecorator, "use cloaca.trigger$"),
        (cloaca.WorkflowParamsDecorator, "use cloaca.workflow_params$"),
        (cloaca.WorkflowSecretsDecorator, "use cloaca.workflow_secrets$"),
        (lambda: RUNNER.subscribe_workflow_to_reactor("r", "w"), "subscribe.*@cloaca.trigger"),
        (lambda: RUNNER.unsubscribe_workflow_from_reactor("r", "w"), "unsubscribe.*nothing fires"),
        (lambda: RUNNER.list_reactor_subscriptions(), "list_reactor.*declarations"),
    ],
)
def test_it_says_why_and_what_to_use(call: Callable[[], object], message: str) -> None:
    with pytest.raises(NotImplementedError, match=message) as caught:
        call()

    assert isinstance(caught.value, NotHereError)


PROGRAM = """
import cloaca
runner = cloaca.DefaultRunner(":memory:")
cloaca._shutdown_all_runners()
cloaca._shutdown_all_runners()
try:
    runner.list_runs()
except cloaca.RunnerClosedError:
    print("closed")
"""


def test_the_call_of_0_12_shuts_down_all_open_runners() -> None:
    done = subprocess.run(  # this process has runners of other tests
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("closed\n", "")
