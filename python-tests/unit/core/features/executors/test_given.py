"""The executors of a runner: by arguments and by settings, and fit for the tasks that want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.executor_by_hand import ExecutorByHand
from tables import each_row

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.executors.by_value import ByValue
from cloaca_core.features.executors.given import refuse_unfit, supplies
from cloaca_core.features.executors.supply import Supply

CPU = ExecutorByHand(4)
"""Imported by its path."""
MODULE = "unit.core.client.executors_to_import"


def body(context: Context) -> None:
    """Any worker can import it."""


def opened(
    executors: Any = None, executor_slots: Any = None, config: DefaultRunnerConfig | None = None
) -> dict[str, Supply]:
    """The executors of these arguments and settings, which are open."""
    found = supplies(executors, executor_slots, config or DefaultRunnerConfig())
    for supply in found:
        supply.open()
    return {supply.name: supply for supply in found}


class TestSupplies:
    def test_without_any_there_are_none(self) -> None:
        assert opened() == {}

    def test_they_are_given_by_name(self) -> None:
        found = opened({"cpu": CPU, "made": lambda: CPU, "far": ByValue(CPU)}, {"made": 2})

        assert {name: (each.slots, each.by_value) for name, each in found.items()} == {
            "cpu": (4, False),
            "made": (2, False),
            "far": (4, True),
        }

    def test_they_are_imported_by_their_paths(self) -> None:
        paths = {"cpu": f"{MODULE}:CPU", "made": f"{MODULE}:Pools.make"}
        config = DefaultRunnerConfig(executors=paths, executor_slots={"made": 2})
        found = opened(config=config)

        assert {name: each.slots for name, each in found.items()} == {"cpu": 3, "made": 2}

    def test_arguments_win_name_by_name(self) -> None:
        config = DefaultRunnerConfig(
            executors={"cpu": f"{MODULE}:CPU", "made": f"{MODULE}:CPU"},
            executor_slots={"cpu": 9, "made": 8},
        )
        found = opened({"cpu": CPU}, {"made": 5}, config)

        assert {name: each.slots for name, each in found.items()} == {"cpu": 9, "made": 5}
        found["cpu"].submit(pow, 2, 3)
        assert CPU.next().run() == 8

    @each_row(
        ("executors", "slots", "message"),
        [
            ([CPU], None, "executors must be a mapping by name, not list"),
            ({1: CPU}, None, "executors: a name must be a str, not int"),
            (
                {"cpu": "pools:cpu"},
                None,
                (
                    "executors: 'cpu' must be a concurrent.futures.Executor or a function that "
                    "makes one, not str"
                ),
            ),
            ({"cpu": CPU}, 4, "executor_slots must be a mapping by name, not int"),
            ({"cpu": CPU}, {"cpu": "4"}, "executor_slots: 'cpu' must be an int, not str"),
            ({"cpu": CPU}, {"cpu": True}, "executor_slots: 'cpu' must be an int, not bool"),
        ],
    )
    def test_a_wrong_type_is_refused(self, executors: Any, slots: Any, message: str) -> None:
        with pytest.raises(ConfigTypeError) as caught:
            opened(executors, slots)
        assert str(caught.value) == message

    @each_row(
        ("executors", "slots", "message"),
        [
            ({"cpu": CPU}, {"cpu": 0}, "executor_slots: 'cpu' must be at least 1, got 0"),
            (
                {"cpu": CPU},
                {"cpus": 4},
                "executor_slots: there is no executor 'cpus', did you mean 'cpu'?",
            ),
            (None, {"cpu": 4}, "executor_slots: there is no executor 'cpu'"),
        ],
    )
    def test_slots_are_at_least_one_and_of_an_executor(
        self, executors: Any, slots: Any, message: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            opened(executors, slots)
        assert (str(caught.value), caught.value.field) == (message, "executor_slots")

    @each_row("path", ["not_a_module:cpu", f"{MODULE}:gone", f"{MODULE}:Pools.gone", ".rel:y"])
    def test_a_path_that_leads_nowhere_is_refused(self, path: str) -> None:
        with pytest.raises(ConfigError) as caught:
            supplies(None, None, DefaultRunnerConfig(executors={"cpu": path}))
        assert str(caught.value).startswith(f"executors: 'cpu' cannot be imported from '{path}': ")

    def test_an_object_at_a_path_must_be_one_too(self) -> None:
        with pytest.raises(ConfigTypeError, match="'cpu' must be a concurrent"):
            supplies(None, None, DefaultRunnerConfig(executors={"cpu": f"{MODULE}:NONE"}))


class TestFitness:
    def check(self, tasks: dict[str, tuple[str | None, Callable[..., Any]]], **given: Any) -> None:
        """Refuse these tasks, each by its executor and body, if the given executors do not fit."""
        registry = Registry()
        with WorkflowBuilder("w", registry=registry):
            for name, (executor, function) in tasks.items():
                task(id=name, executor=executor)(function)
        refuse_unfit(supplies(given, None, DefaultRunnerConfig()), registry)

    def test_bodies_of_modules_fit(self) -> None:
        self.check({"a": ("cpu", body), "b": (None, lambda context: None)}, cpu=CPU)

    def test_those_that_no_worker_can_import_do_not(self) -> None:
        with pytest.raises(ConfigError) as caught:
            self.check({"a": ("cpu", lambda context: None)}, cpu=CPU)
        assert caught.value.field == "executors"
        assert str(caught.value).startswith("task 'a' cannot run on executor 'cpu'")

    def test_but_by_value_they_do(self) -> None:
        self.check({"a": ("cpu", lambda context: None)}, cpu=ByValue(CPU))

    def test_unknown_names_are_told_with_the_tasks_that_want_them(self) -> None:
        with pytest.raises(ConfigError) as caught:
            self.check({"a": ("gpu", body), "b": ("far", body), "c": ("gpu", body)}, cpu=CPU)
        assert str(caught.value) == (
            "executors: tasks want executors that this runner has not: "
            "'gpu' for public::embedded::w::a, public::embedded::w::c; "
            "'far' for public::embedded::w::b; there are 'cpu': give it in a program as "
            "DefaultRunner(..., executors={...}), to cloaca worker in [executors] of cloaca.toml"
        )
        assert caught.value.field == "executors"

    def test_of_many_tasks_some_are_named(self) -> None:
        with pytest.raises(ConfigError) as caught:
            self.check({f"t{number}": ("gpu", body) for number in range(8)})
        assert "w::t4, 3 more; none is given: give it in" in str(caught.value)
