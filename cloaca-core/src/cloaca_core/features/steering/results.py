"""The answers of cancel, pause and resume, as users see them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloaca_core.values.option_names import RunStatus


@dataclass(frozen=True, slots=True)
class Steered:
    """The answer of ``cancel``, ``pause`` and ``resume``: the present status of the run, and
    whether this call changed it.
    """

    status: RunStatus
    changed: bool


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The answer of ``cancel_many`` and similar calls: the number of selected runs, the number that
    the call has ``changed`` (with ``dry_run``: would change), and the number that it ``refused``
    because of their status or kind. ``act`` is the id that its actions share, by which the filter
    ``act:ID`` finds the runs; None if it has changed none. A retry that had to cancel children of
    an earlier round first has another id.
    """

    matched: int
    changed: int
    refused: int
    act: str | None = field(default=None, compare=False, repr=False)
