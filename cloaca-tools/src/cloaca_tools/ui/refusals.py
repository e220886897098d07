"""Refusals: answers of the page in place of the requested one, each with its status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloaca_core.errors import (
    AmbiguousRunError,
    AmbiguousWorkflowError,
    CloacaError,
    FilterError,
    LimitNotFoundError,
    RunEndedError,
    RunnerClosedError,
    RunNotFoundError,
    RunStateError,
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
    TaskNotFoundError,
    WorkflowNotFoundError,
)
from cloaca_core.values.namespace import short_name


class RefusedError(Exception):
    """A request that is refused: ``title`` says what, ``help_`` what to do. ``back`` is the page
    that leads on from there, by its path; ``near`` are names of what it has that may be meant.
    """

    def __init__(
        self,
        status: int,
        title: str,
        help_: str = "",
        back: str = "runs",
        near: Sequence[str] = (),
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.help = help_
        self.back = back
        self.near = near


_STATUS: Final[tuple[tuple[type[CloacaError], int, str, str], ...]] = (
    (AmbiguousRunError, 404, "Several runs have ids that begin so", "runs"),
    (RunNotFoundError, 404, "There is no such run", "runs"),
    (TaskNotFoundError, 404, "There is no such task", "runs"),
    (LimitNotFoundError, 404, "There is no such limit", "limits"),
    (WorkflowNotFoundError, 404, "There is no such workflow", "workflows"),
    (AmbiguousWorkflowError, 404, "Several workflows have this name", "workflows"),
    (FilterError, 422, "This filter cannot be read", "runs"),
    (RunEndedError, 409, "The run has ended", "runs"),
    (RunStateError, 409, "The run is in another state now", "runs"),
    (RunnerClosedError, 503, "The program is shutting down", ""),
    (StoreFullError, 503, "There is no space left for the database", ""),
    (StoreUnavailableError, 503, "The database does not answer", ""),
    (StoreReadOnlyError, 503, "The database cannot be written", ""),
    (StoreDataError, 422, "The database does not take this value", "runs"),
    (StoreError, 503, "The database has failed", ""),
)
_GONE: Final = (
    "Its file was deleted, moved, replaced or emptied while this program had it open. Put it back "
    "where it was, and this page goes on by itself; or start the program again with the right one."
)


def refusal_of(error: CloacaError) -> RefusedError:
    """The refusal for an error of a call."""
    if isinstance(error, StoreError) and error.is_gone:
        return RefusedError(503, "The database is gone", _GONE, "")
    for kind, status, title, back in _STATUS:
        if isinstance(error, kind):
            near = _near(error)
            return RefusedError(status, title, _told(error, near), back, near)
    return RefusedError(422, "This cannot be done", str(error))


def _near(error: CloacaError) -> Sequence[str]:
    """The names that may be meant."""
    match error:
        case LimitNotFoundError() | WorkflowNotFoundError():
            return error.near
        case AmbiguousRunError() | AmbiguousWorkflowError():
            return error.candidates
        case _:
            return ()


def _told(error: CloacaError, near: Sequence[str]) -> str:
    """What an error says, without the names that stand below as links."""
    match error:
        case LimitNotFoundError() if near:
            return f"No limit has the name {error.limit!r:.120}"
        case WorkflowNotFoundError() if near:
            return f"No workflow has the name {short_name(error.name)!r:.120}"
        case AmbiguousRunError() if near:
            return f"These are some of the runs with ids that begin with {error.run_id!r}"
        case _:
            return str(error)


def late(seconds: float, *, acts: bool) -> RefusedError:
    """The refusal of a request that has waited for so long."""
    title = f"The database has not answered in {seconds:.0f} s"
    if not acts:
        return RefusedError(503, title, back="")
    return RefusedError(
        503,
        title,
        "Another program may hold it. It is not known whether this was done: look before you ask "
        "again.",
    )
