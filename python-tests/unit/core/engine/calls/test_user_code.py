"""A call knows the user code that it comes from."""

from __future__ import annotations

import contextvars
from typing import cast

from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.execute.attempt import AttemptWork
from cloaca_core.engine.execute.current_work import CURRENT_WORK


def test_a_call_of_the_program_comes_from_no_body() -> None:
    assert calling_work() is None


def test_a_call_of_a_body_comes_from_that_body() -> None:
    work = cast("AttemptWork", object())

    def call() -> AttemptWork | None:
        CURRENT_WORK.set(work)
        return calling_work()

    assert contextvars.copy_context().run(call) is work
    assert calling_work() is None
