"""``simulate``: a story follows from its seed, and a failing story says what happened."""

from __future__ import annotations

import pytest

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import ConfigError, WorkflowNotFoundError
from cloaca_testing import NO_FAULTS, SimulationError, simulate

pytestmark = pytest.mark.backend("sqlite", reason="the database of a story is in memory")


@pytest.fixture
def registry() -> Registry:
    """A workflow that waits for the event ``go``."""
    made = Registry()
    with WorkflowBuilder("order", registry=made):
        wait_for("wait", "go")

        @task(id="ship", dependencies=["wait"])
        def _ship(context: Context) -> Context:
            return context

    return made


def _failed(registry: Registry, seed: int = 3) -> SimulationError:
    """The error of stories in which the event is never sent."""
    with pytest.raises(SimulationError) as caught:
        simulate("order", seeds=[seed], registry=registry, steer=False)
    return caught.value


def test_a_workflow_whose_runs_all_end_passes(registry: Registry) -> None:
    report = simulate("order", seeds=range(2), registry=registry, send={"go": 1}, runs=3)

    assert report.seeds == 2
    assert report.faults > 0
    assert "nothing was broken" in str(report)


def test_a_run_that_never_ends_is_a_failure_that_names_its_seed(registry: Registry) -> None:
    error = _failed(registry)

    assert error.seed == 3
    assert error.reason == "run 1 is still Waiting, 3600 s after the last fault"
    assert "seeds=[3]" in str(error)


def test_a_failing_story_keeps_only_what_it_needs(registry: Registry) -> None:
    assert [each.what for each in _failed(registry).events] == ["submit"]


def test_the_story_says_who_did_what(registry: Registry) -> None:
    story = "\n".join(_failed(registry).story)

    assert "runner 1   starts" in story
    assert "submits number" in story
    assert "run 1 is still Waiting" in story


def test_the_same_seed_tells_the_same_story(registry: Registry) -> None:
    first, again = _failed(registry), _failed(registry)

    assert first.story == again.story
    assert _failed(registry, 4).story != first.story


def test_without_faults_nobody_is_killed(registry: Registry) -> None:
    report = simulate("order", seeds=[5], registry=registry, send={"go": 1}, faults=NO_FAULTS)

    assert report.faults == 0


def test_an_unknown_workflow_and_no_runners_are_refused(registry: Registry) -> None:
    with pytest.raises(WorkflowNotFoundError):
        simulate("ordre", registry=registry)
    with pytest.raises(ConfigError, match="runners must be at least 1"):
        simulate("order", registry=registry, runners=0)
