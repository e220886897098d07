"""22: bad input is refused where it is given, by name, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

import cloaca


def keep(context: cloaca.Context) -> None:
    """Do nothing."""


def refused(define: Callable[[cloaca.WorkflowBuilder], object], message: str) -> cloaca.CloacaError:
    """The error of a block that does this; nothing may have been registered."""

    def enter() -> None:
        with cloaca.WorkflowBuilder("refused") as builder:
            define(builder)

    with pytest.raises(ValueError, match=message) as caught:
        enter()
    with pytest.raises(cloaca.WorkflowNotFoundError):
        cloaca.get_workflow("refused")
    assert isinstance(caught.value, cloaca.CloacaError)
    return caught.value


# -- workflows -----------------------------------------------------------------------------------


def test_a_task_outside_a_block() -> None:
    with pytest.raises(
        ValueError,
        match=r"No workflow context available\. Tasks must be defined within a WorkflowBuilder "
        r"context manager\.",
    ):
        cloaca.task(id="lost")(keep)


def test_an_empty_workflow() -> None:
    refused(lambda builder: None, "^Workflow validation failed: Workflow cannot be empty")


def test_a_missing_dependency() -> None:
    error = refused(
        lambda builder: cloaca.task(id="a", dependencies=["nowhere"])(keep),
        "^Workflow validation failed: Missing dependency: task '.*a' depends on '.*nowhere' "
        "which is not registered",
    )
    assert isinstance(error, cloaca.WorkflowValidationError)
    assert error.missing == "nowhere"


@each_row("earlier", [["first"], ["first", "between"]])
def test_a_dependency_that_an_earlier_block_had_says_so(earlier: list[str]) -> None:
    registry = cloaca.Registry()
    for task_id in earlier:
        with cloaca.WorkflowBuilder("often", registry=registry):
            cloaca.task(id=task_id)(keep)

    def again() -> None:
        with cloaca.WorkflowBuilder("often", registry=registry):
            cloaca.task(id="last", dependencies=["first"])(keep)

    with pytest.raises(ValueError, match=r"Missing dependency: .*earlier block"):
        again()
    assert [task.id for task in registry.find("often").tasks] == earlier[-1:]


@each_row("length", [1, 2, 5])
def test_a_circle(length: int) -> None:
    def define(builder: cloaca.WorkflowBuilder) -> None:
        for index in range(length):
            cloaca.task(id=f"t{index}", dependencies=[f"t{(index + 1) % length}"])(keep)

    refused(define, r"^Workflow validation failed: Circular dependency detected: \[.*t0.*\]")


def test_a_circle_that_fills_pages_is_shown_shortened() -> None:
    def define(builder: cloaca.WorkflowBuilder) -> None:
        for index in range(3_000):
            cloaca.task(id=f"t{index}", dependencies=[f"t{(index + 1) % 3_000}"])(keep)

    def in_a_block() -> None:
        with cloaca.WorkflowBuilder("round") as builder:
            define(builder)

    with pytest.raises(ValueError, match=r"Circular dependency detected: \[.*t0.*…") as caught:
        in_a_block()
    assert str(caught.value).endswith('::t0"] (3000 tasks)')
    assert len(str(caught.value)) < 1_000


def test_build_has_a_prefix_of_its_own() -> None:
    with cloaca.WorkflowBuilder("built") as builder:
        with pytest.raises(
            ValueError, match=r"^Failed to build workflow: Workflow cannot be empty"
        ):
            builder.build()
        cloaca.task(id="a", dependencies=["b"])(keep)
        with pytest.raises(ValueError, match=r"^Failed to build workflow: Missing dependency: "):
            builder.build()
        cloaca.task(id="b")(keep)
        assert [task.id for task in builder.build().tasks] == ["a", "b"]
        with pytest.raises(cloaca.WorkflowNotFoundError):
            cloaca.get_workflow("built")
    assert cloaca.get_workflow("built").name == "built"


def test_one_id_twice_in_a_block() -> None:
    def define(builder: cloaca.WorkflowBuilder) -> None:
        cloaca.task(id="same")(keep)
        cloaca.task(id="same")(lambda context: None)

    refused(define, "same")


def test_a_refused_decoration_reserves_nothing() -> None:
    with cloaca.WorkflowBuilder("reserved") as builder:
        with pytest.raises(TypeError):
            cloaca.task(id="a")(lambda: None)
        cloaca.task(id="a")(keep)
    assert len(builder.workflow.tasks) == 1


def test_add_task() -> None:
    with cloaca.WorkflowBuilder("added") as builder:
        cloaca.task(id="a")(keep)
        builder.add_task("a")
        with pytest.raises(ValueError, match=r"^Failed to add task: Duplicate task"):
            builder.add_task("a")
        with pytest.raises(
            ValueError,
            match=r"^Task 'b' not found in registry\. Make sure it was decorated with @task\.$",
        ):
            builder.add_task("b")
        with pytest.raises(
            ValueError,
            match=r"^Task must be either a string task ID or a function object with __name__ "
            "attribute",
        ):
            builder.add_task(7)  # type: ignore[arg-type]  # refused at run time


@each_row("name", ["", "a::b", "x" * 256, "line\nbreak", "\0", "\x1b[31m"])
def test_names_that_cannot_be(name: str) -> None:
    for refuse in (
        lambda: cloaca.WorkflowBuilder(name),
        lambda: cloaca.WorkflowBuilder("w", tenant=name),
        lambda: cloaca.WorkflowBuilder("w", package=name),
        lambda: cloaca.WorkflowBuilder("w", workflow=name),
        lambda: cloaca.task(id=name),
    ):
        with pytest.raises(ValueError, match=r"name|tenant|package|workflow|id"):
            refuse()


@each_row("name", ["x" * 255, "日本語", "with space", "a:b", "../..", "'; --"])
def test_names_that_can_be(runner: cloaca.DefaultRunner, name: str) -> None:
    with cloaca.WorkflowBuilder(name, tenant=name, package=name):
        cloaca.task(id=name)(keep)
    result = runner.execute(f"{name}::{name}::{name}")
    assert list(result.task_results) == [name]
    assert result.workflow_name == name


# -- @task ---------------------------------------------------------------------------------------


@each_row(
    ("options", "kind", "message"),
    [
        ({"id": 7}, TypeError, "id"),
        ({"dependencies": "a"}, TypeError, "dependencies"),
        ({"dependencies": 7}, TypeError, "dependencies"),
        (
            {"dependencies": ["a", 7]},
            ValueError,
            "Dependency 1 must be either a string or a function object with __name__ attribute",
        ),
        (
            {"retry_backoff": "zzz"},
            ValueError,
            'unknown retry_backoff "zzz": expected one of fixed, linear, exponential',
        ),
        (
            {"retry_condition": "zzz"},
            ValueError,
            'unknown retry_condition "zzz": expected one of .*never.*',
        ),
        ({"retry_attempts": -1}, ValueError, "retry_attempts"),
        ({"retry_attempts": "3"}, TypeError, "retry_attempts"),
        ({"retry_attempts": True}, TypeError, "retry_attempts"),
        ({"retry_delay_ms": -5}, ValueError, "retry_delay_ms"),
        ({"retry_delay_ms": 1.5}, TypeError, "retry_delay_ms"),
        ({"retry_max_delay_ms": "x"}, TypeError, "retry_max_delay_ms"),
        ({"retry_jitter": "yes"}, TypeError, "retry_jitter"),
        ({"retry_condition": 7}, TypeError, "retry_condition"),
        ({"retry": 3}, TypeError, "retry"),
        (
            {"retry": cloaca.RetryPolicy.default(), "retry_attempts": 3, "retry_jitter": False},
            ValueError,
            r"retry_attempts, retry_jitter, not both\.",
        ),
        ({"on_success": "print"}, TypeError, "on_success"),
        ({"on_failure": 7}, TypeError, "on_failure"),
        ({"trigger_rules": "always"}, ValueError, "invalid trigger rule:"),
        ({"timeout_seconds": 0}, ValueError, "timeout_seconds"),
        ({"post_invocation": keep}, ValueError, "post_invocation"),
    ],
)
def test_options_are_checked_when_task_is_called(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        cloaca.task(**options)
    assert isinstance(caught.value, cloaca.CloacaError)


def test_a_function_that_is_two_tasks_is_no_dependency() -> None:
    def define(builder: cloaca.WorkflowBuilder) -> None:
        cloaca.task(id="one")(keep)
        cloaca.task(id="two")(keep)
        cloaca.task(id="after", dependencies=[keep])(lambda context: None)

    refused(define, "keep.*one.*two")


# -- the runner ----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_an_unknown_workflow(shared_runner: cloaca.DefaultRunner) -> None:
    for call in (shared_runner.execute, shared_runner.submit):
        with pytest.raises(
            ValueError,
            match=r"^Workflow execution failed: .*Workflow not found in registry: nowhere",
        ) as caught:
            call("nowhere")
        assert isinstance(caught.value, cloaca.WorkflowNotFoundError)
        assert caught.value.name == "nowhere"
    with pytest.raises(ValueError, match="not found in registry: t::p::w"):
        shared_runner.submit_many("t::p::w", [None])


def test_a_workflow_name_that_a_later_block_took_away(shared_runner: cloaca.DefaultRunner) -> None:
    for name in ("taken away", "put in its place"):
        with cloaca.WorkflowBuilder(name, workflow="shared"):
            cloaca.task(id="only")(keep)
    # Whether a name is near to it depends on what other files of this process have defined.
    told = r"Workflow not found in registry: taken away( \(did you mean '[^']+'\?\))?$"
    with pytest.raises(ValueError, match=told):
        shared_runner.execute("taken away")


@each_row("name", [7, None, b"bytes"])
def test_a_workflow_name_of_another_type(shared_runner: cloaca.DefaultRunner, name: Any) -> None:
    with pytest.raises(TypeError, match="workflow_name"):
        shared_runner.execute(name)


@each_row("context", [7, "text", ["list"], [("a", 1)]])
def test_a_context_of_another_type(shared_runner: cloaca.DefaultRunner, context: Any) -> None:
    with cloaca.WorkflowBuilder("takes a context"):
        cloaca.task(id="only")(keep)
    with pytest.raises(TypeError, match="context"):
        shared_runner.execute("takes a context", context)
    with pytest.raises(TypeError, match="data"):
        cloaca.Context(context)


@pytest.mark.backend("sqlite", reason="PostgreSQL has schemas")
@each_row(
    ("schema", "message"),
    [
        ("", "Schema name cannot be empty"),
        ("a-b", "Schema name must contain only alphanumeric characters and underscores"),
        (
            "tenant",
            (
                "Schema isolation is only supported with PostgreSQL. "
                "For SQLite multi-tenancy, use separate database files instead."
            ),
        ),
    ],
)
def test_schemas_are_for_postgresql(database_url: str, schema: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cloaca.DefaultRunner.with_schema(database_url, schema)
    with pytest.raises(ValueError, match=message):
        cloaca.DefaultRunner(database_url, schema=schema)


def test_a_url_of_a_scheme_that_nobody_opens() -> None:
    with pytest.raises(ImportError, match="mysql") as caught:
        cloaca.DefaultRunner("mysql://user:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.mark.backend("sqlite", reason="the URLs of files")
@each_row(
    ("url", "message"),
    [
        ("", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///x.db?mode=rwx", "mode.*rwc"),
        ("sqlite:///x.db?_busy_timout=5", "_busy_timeout"),
        ("sqlite:///x.db?_journal_mode=DELETE", "_journal_mode.*WAL"),
        ("sqlite:///x.db?_synchronous=OFF", "_synchronous.*FULL"),
        ("sqlite://user:secret@host/x.db", "no user"),
    ],
)
def test_a_url_that_makes_no_sense(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        cloaca.DefaultRunner(url)
    assert "secret" not in str(caught.value)


@each_row("url", [7, None, b"sqlite://x.db"])
def test_a_url_of_another_type(url: Any) -> None:
    with pytest.raises(TypeError, match="database_url"):
        cloaca.DefaultRunner(url)
