"""46: a workflow says what becomes of a run that began under another version of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

import cloaca

WAIT = 60
Open = Callable[[], cloaca.DefaultRunner]


class Gate:
    """A body that says that it is inside, and goes on when it may."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.open = threading.Event()

    def __call__(self, context: cloaca.Context) -> None:
        self.inside.set()
        context["opened"] = self.open.wait(WAIT)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end of the test at the latest."""
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def open_next(database_url: str) -> Open:
    """Opens runners of one database, one after another, which wait for no body."""

    def opened() -> cloaca.DefaultRunner:
        config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=0)
        return cloaca.DefaultRunner(database_url, config=config)

    return opened


def define(
    gate: Gate, policy: cloaca.VersionPolicyName | None = "fail", last: str = "end"
) -> cloaca.Workflow:
    """A workflow whose version depends on the name of its last task."""
    with cloaca.WorkflowBuilder("versioned") as builder:
        if policy is not None:
            builder.version_policy(policy)
        cloaca.task(id="first")(lambda context: {"first": True})
        cloaca.task(id="gate", dependencies=["first"])(gate)
        cloaca.task(id=last, dependencies=["gate"])(lambda context: {"last": True})
    return builder.workflow


def begin(open_next: Open, gate: Gate, policy: cloaca.VersionPolicyName | None = "fail") -> str:
    """The id of a run that a runner has begun and released."""
    define(gate, policy)
    with open_next() as runner:
        handle = runner.submit("versioned", {"n": 1})
        assert gate.inside.wait(WAIT)
    return handle.id


@pytest.mark.each_backend
def test_with_fail_a_run_that_has_begun_fails_and_names_the_versions(
    open_next: Open, gate: Gate
) -> None:
    run_id = begin(open_next, gate)
    later = define(gate, last="other end")

    with open_next() as runner:
        result = runner.get_run(run_id).result(WAIT)

    assert (result.status, result.final_context.to_dict()) == ("Failed", {"n": 1})
    text = "the workflow has changed since this run began, from version "
    assert str(result.error_message).startswith(f"{text}{result.version} to {later.version}; ")
    assert result.task_results["first"].status == "Completed"
    with pytest.raises(cloaca.VersionChangedError, match=text) as caught:
        result.raise_for_status()
    assert isinstance(caught.value, cloaca.RunFailedError)
    assert (caught.value.run_id, caught.value.status) == (run_id, "Failed")
    assert caught.value.tasks == ("end", "other end")


def test_tasks_that_differ_are_named(open_next: Open, gate: Gate) -> None:
    run_id = begin(open_next, gate)
    with cloaca.WorkflowBuilder("versioned") as builder:
        builder.version_policy("fail")
        cloaca.task(id="gate")(gate)

    with open_next() as runner:
        result = runner.get_run(run_id).result(WAIT)
        handle = runner.get_run(run_id)

    text = "changed: gate; removed: first, end"
    with pytest.raises(cloaca.VersionChangedError, match=text) as caught:
        result.raise_for_status()
    assert caught.value.tasks == ("gate", "first", "end")
    assert handle.id == run_id


@pytest.mark.parametrize("policy", ["continue", None])
def test_otherwise_it_goes_on_by_the_ids_of_its_tasks(
    open_next: Open, gate: Gate, policy: cloaca.VersionPolicyName | None
) -> None:
    run_id = begin(open_next, gate, policy)
    define(gate, policy, last="other end")
    gate.open.set()

    with open_next() as runner:
        result = runner.get_run(run_id).result(WAIT)

    assert result.status == "Completed"
    assert set(result.task_results) == {"first", "gate", "other end"}


def test_a_run_goes_on_if_only_the_description_has_changed(open_next: Open, gate: Gate) -> None:
    run_id = begin(open_next, gate)
    with cloaca.WorkflowBuilder("versioned") as builder:
        builder.version_policy("fail").description("Waits at a gate.")
        for task in ("first", "gate", "end"):
            builder.add_task(task)
    gate.open.set()

    with open_next() as runner:
        result = runner.get_run(run_id).result(WAIT)

    assert (result.status, result.version == builder.workflow.version) == ("Completed", False)


def test_under_the_same_version_it_goes_on(open_next: Open, gate: Gate) -> None:
    run_id = begin(open_next, gate)
    define(gate)
    gate.open.set()

    with open_next() as runner:
        assert runner.get_run(run_id).result(WAIT).status == "Completed"


def test_a_run_that_has_not_begun_waits_for_a_runner_of_its_version(
    open_next: Open, gate: Gate
) -> None:
    own = define(gate)
    with open_next() as runner:
        runner.stop()
        run_id = runner.submit("versioned").id
    define(gate, last="other end")
    with open_next() as runner:
        while (why := runner.explain(run_id)).runners[0].may_run is not False:
            continue
        assert (why.status, why.code) == ("Pending", "version_unserved")
        assert why.why == (
            f"it waits for a runner with version {own.version} of its workflow, which has the "
            f"version_policy fail: runner {why.runners[0].id} has another"
        )
        leaves = "leaves this run, as its version of the workflow is another one (version_policy)"
        assert why.runners[0].why == leaves
    gate.open.set()
    define(gate)

    with open_next() as runner:
        result = runner.get_run(run_id).result(WAIT)

    assert (result.status, result.version) == ("Completed", own.version)
    assert set(result.task_results) == {"first", "gate", "end"}


def test_a_run_that_failed_so_can_be_begun_again_under_the_new_version(
    open_next: Open, gate: Gate
) -> None:
    run_id = begin(open_next, gate)
    define(gate, last="other end")
    gate.open.set()

    with open_next() as runner:
        assert runner.get_run(run_id).result(WAIT).status == "Failed"
        result = runner.retry(run_id).result(WAIT)

    assert result.status == "Completed"
    assert "other end" in result.task_results


def test_the_policy_is_no_part_of_the_version(gate: Gate) -> None:
    assert define(gate, "fail").version == define(gate, "continue").version
    assert define(gate, None).version_policy == "continue"
    assert define(gate, "fail").version_policy == "fail"


def test_another_word_is_refused() -> None:
    builder = cloaca.WorkflowBuilder("w")
    with pytest.raises(ValueError, match='unknown version_policy "pin": expected one of continue'):
        builder.version_policy("pin")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(TypeError, match="version_policy must be a str, got bool"):
        builder.version_policy(True)  # type: ignore[arg-type]  # what is refused
