"""The operation that explains the state of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.engine.calls.arguments import checked_run_id
from cloaca_core.views.explain.answer import explanation
from cloaca_core.views.explain.explanation import Explanation

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller
    from cloaca_core.engine.calls.call import Call


class Explain(NamedTuple):
    """The reasons why a run and each of its tasks is in its status, and which runners may execute
    it.
    """

    run_id: str

    def call(self, caller: Caller) -> Call[Explanation]:
        """See ``Operation``."""
        checked = checked_run_id(self.run_id)
        return caller.look(lambda engine: engine.explainer.facts(checked), explanation)
