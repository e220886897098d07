"""02: define a workflow, run it, look at what came of it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from tables import each_row

import cloaca

WAIT = 60


def greeting() -> cloaca.Workflow:
    builder = cloaca.WorkflowBuilder("greeting")
    builder.description("Greets somebody").tag("team", "hello")
    with builder:

        @cloaca.task
        def ask(context: cloaca.Context) -> None:
            context.set("asked", context.get("name", "nobody"))

        @cloaca.task(id="answer", dependencies=["ask"])
        def reply(context: cloaca.Context) -> cloaca.Context:
            context.set("answer", f"Hello {context['asked']}")
            return context

    return builder.workflow


@pytest.mark.each_backend
def test_the_result_has_what_the_tasks_wrote(runner: cloaca.DefaultRunner) -> None:
    greeting()
    result = runner.execute("greeting", cloaca.Context({"name": "Ada"}))
    assert result.status == "Completed"
    assert result.final_context.to_dict() == {"name": "Ada", "asked": "Ada", "answer": "Hello Ada"}
    assert result.error_message is None
    assert result.error is None
    result.raise_for_status()


def test_the_input_may_be_a_dict_or_nothing(runner: cloaca.DefaultRunner) -> None:
    greeting()
    assert runner.execute("greeting", {"name": "Bo"}).final_context["answer"] == "Hello Bo"
    assert runner.execute("greeting").final_context["answer"] == "Hello nobody"


def test_the_result_says_what_ran_and_when(runner: cloaca.DefaultRunner) -> None:
    workflow = greeting()
    result = runner.execute("greeting")
    assert result.workflow_name == "greeting"
    assert result.version == workflow.version
    assert re.fullmatch(r"[0-9a-f]{16}", result.version)
    assert result.end_time is not None
    start = datetime.fromisoformat(result.start_time)
    end = datetime.fromisoformat(result.end_time)
    assert (start.utcoffset(), end.utcoffset()) == (timedelta(), timedelta())
    assert result.duration == (end - start).total_seconds()
    assert runner.get_run(result.execution_id).status() == "Completed"


def test_the_result_tells_of_each_task(runner: cloaca.DefaultRunner) -> None:
    greeting()
    tasks = runner.execute("greeting").task_results
    assert list(tasks) == ["ask", "answer"]
    for task in tasks.values():
        assert (task.status, task.attempts, task.error, task.traceback, task.skip_reason) == (
            *("Completed", 1, None, None, None),
        )
        assert task.started_at is not None
        assert task.ended_at is not None
        assert task.started_at <= task.ended_at


def test_a_workflow_describes_itself() -> None:
    workflow = greeting()
    assert repr(workflow) == "Workflow(name='greeting', tasks=2)"
    assert (workflow.name, workflow.description) == ("greeting", "Greets somebody")
    assert dict(workflow.tags) == {"team": "hello"}
    assert [task.id for task in workflow.tasks] == ["ask", "answer"]


def test_the_full_name_works_too(runner: cloaca.DefaultRunner) -> None:
    greeting()
    assert runner.execute("public::embedded::greeting").status == "Completed"


def test_a_decorated_function_stays_a_plain_function() -> None:
    with cloaca.WorkflowBuilder("plain"):

        @cloaca.task(id="double")
        def double(context: cloaca.Context) -> int:
            """Say it twice."""
            return 2 * len(context)

    assert double(cloaca.Context({"a": 1})) == 2
    assert (double.__name__, double.__doc__) == ("double", "Say it twice.")


def test_old_and_new_name_of_the_result_are_one_class(runner: cloaca.DefaultRunner) -> None:
    greeting()
    assert type(runner.execute("greeting")) is cloaca.PipelineResult
    assert cloaca.WorkflowResult is cloaca.PipelineResult


def test_a_workflow_that_is_registered_later_can_be_run(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("late"):
        cloaca.task(id="only")(lambda context: {"late": True})
    assert runner.execute("late").final_context.to_dict() == {"late": True}


@pytest.mark.backend("sqlite", reason="only SQLite has databases in memory")
@each_row("url", [":memory:", "sqlite://:memory:", "sqlite:///:memory:"])
def test_a_database_in_memory_needs_no_file(url: str) -> None:
    greeting()
    with cloaca.DefaultRunner(url) as runner:
        assert runner.execute("greeting", {"name": "Mem"}).final_context["answer"] == "Hello Mem"


def test_the_next_program_sees_what_the_last_one_did(database_url: str) -> None:
    greeting()
    with cloaca.DefaultRunner(database_url) as first:
        done = first.execute("greeting", {"name": "Eve"})
    with cloaca.DefaultRunner(database_url) as second:
        found = second.get_run(done.execution_id).result(timeout=WAIT)
    assert found.final_context == done.final_context
    assert (found.start_time, found.end_time) == (done.start_time, done.end_time)
    assert found.task_results == done.task_results
