"""The parameters of a workflow's runs: keys of the input, each with a type, some with defaults."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, final

from cloaca_core.errors import DefinitionError
from cloaca_core.values.missing import MISSING, Missing


class Param(NamedTuple):
    """The type of one parameter, and its default."""

    kind: Any
    default: Any | Missing = MISSING


@final
class WorkflowParams:
    """The parameters of a workflow, for ``WorkflowBuilder.input``. Made by ``workflow_params``."""

    def __init__(self, params: dict[str, Param]) -> None:
        self.params: Final = params

    def __repr__(self) -> str:
        return f"workflow_params({', '.join(self.params)})"


def workflow_params(**params: Any) -> WorkflowParams:
    """Name the keys of a workflow's input, for ``builder.input``: each with its type, or with a
    tuple of its type and its default, as in ``workflow_params(order_id=int, limit=(int, 10))``.
    """
    return WorkflowParams({name: _param(name, given) for name, given in params.items()})


def _param(name: str, given: Any) -> Param:
    if not isinstance(given, tuple):
        return Param(given)
    if len(given) != 2:
        raise DefinitionError(
            f"workflow_params({name}=...) must be a type, or a tuple of a type and a default; "
            f"got a tuple of {len(given)}"
        )
    return Param(*given)
