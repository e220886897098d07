"""The versions of a workflow in its last runs."""

from __future__ import annotations

from model.families import FLOW, at, run, view

from cloaca_core.definition.recorded import RecordedRetry, RecordedTask, RecordedWorkflow
from cloaca_core.definition.retries.policy import BackoffStrategy
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.views.run.reading import RunView
from cloaca_tools.views.workflows.versions import version_lines

_RETRY = RecordedRetry(1, 0, 0, with_jitter=False, backoff=BackoffStrategy.fixed(), errors="all")


def definition(version: str, **tasks: str | None) -> RecordedWorkflow:
    """A version with these tasks and their fingerprints."""
    nodes = [
        RecordedTask(name, "task", (), _RETRY, None, None, is_async=False, fingerprint=digest)
        for name, digest in tasks.items()
    ]
    return RecordedWorkflow(FLOW, "flow", version, tuple(nodes))


def of(definition: RecordedWorkflow, run_id: str, made: float) -> RunView:
    row = run(run_id, version=definition.version, created_at=at(made))
    return view(row)._replace(definition=definition)


def test_a_version_tells_what_differs_from_the_one_before_it() -> None:
    one = definition("1", load="a", check="b")
    two = definition("2", load="c", send="d")
    found = version_lines(two, [of(two, "c", 9), of(one, "b", 5), of(one, "a", 3)])
    assert [(each.version, each.runs) for each in found] == [("2", 1), ("1", 2)]
    assert (found[0].added, found[0].removed, found[0].changed) == (
        ("send",),
        ("check",),
        ("load",),
    )
    assert (found[1].added, found[1].removed, found[1].changed) == ((), (), ())
    assert found[1].first_run == rfc3339(at(3) or 0)
    assert found[1].last_run == rfc3339(at(5) or 0)


def test_the_version_that_counts_is_first_also_without_a_run() -> None:
    one, two = definition("1", load="a"), definition("2", load="b")
    newest, before = version_lines(two, [of(one, "a", 3)])
    assert (newest.version, newest.runs, newest.first_run) == ("2", 0, None)
    assert newest.changed == ("load",)
    assert before.version == "1"


def test_a_version_without_fingerprints_is_compared_with_none() -> None:
    one, two = definition("1", load=None), definition("2", load="b", send="c")
    newest, _ = version_lines(two, [of(two, "b", 4), of(one, "a", 3)])
    assert (newest.added, newest.changed) == ((), ())
