"""The answers of cancel, pause and resume, as users see them."""

from __future__ import annotations

from dataclasses import dataclass

from cloaca_core.values.option_names import RunStatus


@dataclass(frozen=True, slots=True)
class Steered:
    """The answer of ``cancel``, ``pause`` and ``resume``: the state of the run now, and whether
    this call changed it.
    """

    status: RunStatus
    changed: bool


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The answer of ``cancel_many`` and its like: how many runs were selected, how many of them the
    call has ``changed`` (with ``dry_run``: would change), and how many it ``refused`` to, because
    of the state that they were in, or of what they are.
    """

    matched: int
    changed: int
    refused: int
