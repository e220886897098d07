"""The call that explains a run checks its id first, and reads the engine's answer."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import RunNotFoundError
from cloaca_core.runner.calls.explain import ExplainCalls
from cloaca_core.runner.calls.runs import RunCalls
from cloaca_core.runner.host import EngineHost

WAIT = 20


def test_a_run_is_explained_by_its_id(host: EngineHost) -> None:
    runs = RunCalls(host)
    run_id, _ = runs.submit("flow", None, None, None).wait()
    runs.end(run_id, WAIT).wait()

    found = ExplainCalls(host).explain(run_id).wait()

    assert (found.run_id, found.workflow_name, found.code) == (run_id, "flow", "completed")
    assert [each.task_id for each in found.tasks] == ["first", "second"]


def test_an_unknown_id_is_refused_when_it_is_looked_for(host: EngineHost) -> None:
    call = ExplainCalls(host).explain("unknown")
    with pytest.raises(RunNotFoundError):
        call.wait()


@each_row("run_id", [None, 3])
def test_another_type_is_refused_at_once(host: EngineHost, run_id: object) -> None:
    with pytest.raises(TypeError, match="run_id"):
        ExplainCalls(host).explain(run_id)  # type: ignore[arg-type]  # refused
