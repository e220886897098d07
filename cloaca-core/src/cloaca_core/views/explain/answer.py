"""Makes an explanation of facts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from cloaca_core.values import option_names
from cloaca_core.values.namespace import short_name
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.views.explain.explanation import Explanation
from cloaca_core.views.explain.runners import explained_runners, is_planned, tasks_lost
from cloaca_core.views.explain.runs import why_run
from cloaca_core.views.explain.tasks import explained_tasks
from cloaca_core.views.explain.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloaca_core.features.explain.facts import Facts


def explanation(facts: Facts) -> Explanation:
    """The reasons why a run and each of its tasks is in its status, and which runners may execute
    it.
    """
    run = facts.recorded.row
    tasks = explained_tasks(facts)
    whys = why_run(facts, tasks)
    return Explanation(
        run_id=run.id,
        workflow_name=short_name(run.workflow),
        status=cast("option_names.RunStatus", str(run.status)),
        code=whys[0].code,
        why="; ".join([why.text for why in whys]),
        waits_for=whys[0].waits_for,
        tasks=tasks,
        runners=() if run.ended_at is not None else explained_runners(facts),
        notes=tuple(_notes(facts)),
        at=rfc3339(facts.now),
    )


def _notes(facts: Facts) -> Iterator[str]:
    """Facts that are not known, and so may make the answer wrong."""
    run = facts.recorded.row
    if facts.tasks is None:
        yield (
            "no definition of this workflow is registered here or recorded in the database: only "
            "tasks that have begun or were skipped are shown, without their dependencies"
        )
    elif facts.known_version != run.version:
        made = (
            "by which the run was planned"
            if is_planned(facts)
            else "with which the run was submitted"
        )
        submitted = (
            f"version {run.version}, {made}, is not known here"
            if run.version
            else "none was known when the run was made"
        )
        yield f"the tasks are those of version {facts.known_version} of the workflow: {submitted}"
    if run.ended_at is None and (changed := _newer_version(facts)) is not None:
        yield changed


def _newer_version(facts: Facts) -> str | None:
    """That runners elsewhere may have another version of the workflow than the run."""
    run, here = facts.recorded.row, facts.here
    if facts.newest is None or (here is not None and here.version is not None):
        return None
    version, tasks = facts.newest
    if run.version in ("", version):  # without a version, a run begins under any
        return None
    lost = tasks_lost(facts, tasks)
    lacks = f", which lacks {listed(lost)}" if lost else ""
    if lost and is_planned(facts):
        return (
            f"the run was planned by version {run.version} of the workflow, and the version that a "
            f"runner has registered last is {version}{lacks}: that runner leaves the run to others"
        )
    return (
        f"the run was submitted with version {run.version} of the workflow, and the version that a "
        f"runner has registered last is {version}{lacks}; whether the run goes on under that one, "
        "waits for a runner of its own or fails is not recorded"
    )
