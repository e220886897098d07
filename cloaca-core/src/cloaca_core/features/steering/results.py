"""The answers of cancel, pause and resume, as users see them."""

from __future__ import annotations

from dataclasses import dataclass

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
    because of their status or kind.
    """

    matched: int
    changed: int
    refused: int
