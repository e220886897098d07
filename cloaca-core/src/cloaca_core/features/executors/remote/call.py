"""The call that is sent to a worker: the body by name, and the facts of its attempt."""

from __future__ import annotations

import json
from typing import NamedTuple, Self, TypeAlias

from cloaca_core._version import __version__
from cloaca_core.errors import ExecutorError
from cloaca_core.values.log_levels import OFF, least_number
from cloaca_core.values.payloads.json_values import JsonValue

RemoteItem: TypeAlias = tuple[int, str | int, JsonValue, int, int]
"""The index, label, value, count and decision of an ``Item``."""


class RemoteCall(NamedTuple):
    """One body and its attempt, without the context, which is sent beside it as JSON, or is in
    ``given_file``, which the items of a map share.

    ``module`` and ``function`` are empty for a body that is sent by value, which may have no name.
    ``cancel_file`` exists once the body should end, if the worker can see the runner's files. Lines
    from ``log_level`` on are kept, and sent to the socket beside that file, if there is one. With
    ``tells_start``, the worker also reports there that the body begins. The body of an ``item`` is
    called with these ``parameters`` after its context.
    """

    module: str
    function: str
    is_async: bool
    wants_handle: bool
    run_id: str
    task_id: str
    number: int
    epoch: int
    cancel_file: str
    log_level: int = least_number(OFF)
    tells_start: bool = False
    item: RemoteItem | None = None
    parameters: tuple[str, ...] = ()
    given_file: str | None = None
    version: str = __version__

    def to_json(self) -> str:
        """The form in which it is sent."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``; ``ExecutorError`` if the runner has another cloaca."""
        members = json.loads(text)
        if (version := members.get("version")) != __version__:
            raise ExecutorError(
                f"the runner has cloaca {version}, and this worker {__version__}: "
                "install the same version on both"
            )
        item, parameters = members.pop("item"), members.pop("parameters")
        return cls(
            **members,
            item=None if item is None else tuple(item),
            parameters=tuple(parameters),
        )
