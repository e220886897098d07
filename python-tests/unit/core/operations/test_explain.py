"""The call that explains a run checks its id first, and reads the engine's answer."""

from __future__ import annotations

import pytest
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.errors import RunNotFoundError
from cloaca_core.operations.explain import Explain
from cloaca_core.operations.runs import End
from cloaca_core.operations.submissions import Submit

WAIT = 60


def test_a_run_is_explained_by_its_id(do: Do, host: EngineHost) -> None:
    run_id, _ = do(Submit("flow"))
    do(End(run_id, WAIT))

    found = do(Explain(run_id))

    assert (found.run_id, found.workflow_name, found.code) == (run_id, "flow", "completed")
    assert [each.task_id for each in found.tasks] == ["first", "second"]


def test_an_unknown_id_is_refused_when_it_is_looked_for(caller: Caller, host: EngineHost) -> None:
    call = Explain("unknown").call(caller)
    with pytest.raises(RunNotFoundError):
        call.wait()


@each_row("run_id", [None, 3])
def test_another_type_is_refused_at_once(caller: Caller, host: EngineHost, run_id: object) -> None:
    with pytest.raises(TypeError, match="run_id"):
        Explain(run_id).call(caller)  # type: ignore[arg-type]  # refused
