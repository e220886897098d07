"""``BaseHandle``: the facts of a handle that need no call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller


class BaseHandle:
    """The common part of both: handles are equal when the run is the same."""

    __slots__ = ("_caller", "_created", "_id")

    def __init__(self, caller: Caller, run_id: str, created: bool = False) -> None:
        self._caller = caller
        self._id = run_id
        self._created = created

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._id

    @property
    def created(self) -> bool:
        """Whether the call that returned this handle made the run; else it was there already."""
        return self._created

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseHandle) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self._id!r})"
