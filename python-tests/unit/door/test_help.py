"""``help()`` tells every option's name, unit, accepted values and default."""

from __future__ import annotations

import inspect
import pydoc
import re

from tables import each_row

from cloaca_core.client.async_runner import AsyncRunner
from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.task import task


def shown(thing: object) -> str:
    return pydoc.plain(pydoc.render_doc(thing))


@each_row("name", DefaultRunnerConfig().to_dict())
def test_a_setting_says_what_it_accepts_and_its_default(name: str) -> None:
    (line,) = re.findall(rf"(?m)^ \|  {name}\n \|      (.+)$", shown(DefaultRunnerConfig))

    assert re.search(
        r": (an int|a finite number|True or False|'none_failed'|1 to 255|a table|a path|'DEBUG'|"
        r"names)",
        line,
    )
    assert "by default" in line
    for unit in ("seconds", "bytes", "ms"):
        if name.endswith(f"_{unit}") and not name.startswith(("cron_", "executor_")):
            assert {"ms": "Milliseconds"}.get(unit, unit.title()) in line


def test_the_constructor_is_shown_as_it_is_called() -> None:
    parameters = inspect.signature(DefaultRunnerConfig).parameters

    assert list(parameters) == [*DefaultRunnerConfig().to_dict(), "workflow_timeout_seconds"]
    assert {parameter.default for parameter in parameters.values()} == {None}
    assert parameters["lease_seconds"].annotation == int | float | None


@each_row("option", list(inspect.signature(task).parameters)[1:])
def test_task_tells_each_option(option: str) -> None:
    assert f"``{option}``" in shown(task)


@each_row("runner", [DefaultRunner, AsyncRunner])
def test_a_runner_tells_each_argument_and_method(runner: type) -> None:
    for argument in list(inspect.signature(DefaultRunner).parameters):
        assert f"``{argument}``" in shown(DefaultRunner)
    for name, method in vars(runner).items():
        if not name.startswith("_"):
            assert inspect.getdoc(method), name
