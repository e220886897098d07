"""The call that explains why a run goes on or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.runner.calls.arguments import checked_run_id
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.explain.answer import explanation
from cloaca_core.runner.explain.explanation import Explanation

if TYPE_CHECKING:
    from cloaca_core.runner.host import EngineHost


class ExplainCalls:
    """Makes the calls of one runner and its handles. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def explain(self, run_id: str) -> Call[Explanation]:
        """Why a run and each of its tasks is as it is, and who may execute it."""
        checked = checked_run_id(run_id)
        return Call(
            lambda: self._host.read(lambda engine: engine.explainer.facts(checked)), explanation
        )
