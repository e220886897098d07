"""Commands and tools give the same forms of a run."""

from __future__ import annotations

import pytest

import cloaca
from cloaca_tools.observer import Observer
from cloaca_tools.views.run_forms import forked_form, steered_form, submitted_form


@pytest.fixture
def registry() -> cloaca.Registry:
    found = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=found):

        @cloaca.task
        def charge(context: cloaca.Context) -> None: ...

    return found


def test_a_run_is_told_by_what_was_done_with_it(
    database_url: str, registry: cloaca.Registry
) -> None:
    with cloaca.Client(database_url, registry=registry) as client:
        run = client.submit("order", idempotency_key="a")
        again = client.submit("order", idempotency_key="a")
        fork = client.fork(run.id, "charge")
        paused = client.pause(run.id)

    assert submitted_form(run) == {"id": run.id, "created": True}
    assert submitted_form(again) == {"id": run.id, "created": False}
    assert forked_form(fork, run.id) == {"id": fork.id, "created": True, "forked_from": run.id}
    assert steered_form(run.id, paused) == {"id": run.id, "status": "Paused", "changed": True}


def test_a_run_is_shown_with_its_tasks_beside_its_facts(
    database_url: str, registry: cloaca.Registry
) -> None:
    with cloaca.Client(database_url, registry=registry) as client:
        run, observer = client.submit("order", by="ann"), Observer(client)
        by, form = observer.submitted_by(run.id).wait(), observer.show(run.id).wait().to_dict()
        of_nobody = observer.submitted_by(client.submit("order").id).wait()

    assert (form["submitted_by"], by, of_nobody) == ("ann", "ann", None)
    assert (form["id"], form["status"]) == (run.id, "Pending")
    assert [task["task_id"] for task in form["tasks"]] == ["charge"]
    assert "run" not in form
