"""Which acts a run's state allows, and why not the others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cloaca_tools.ui.words.clock import Clock
    from cloaca_tools.views.lists.listing import RunLine

ENDED: Final = ("Completed", "Failed", "Cancelled")


class AllowedActs(NamedTuple):
    """By act why it cannot be done, "" where it can. ``primary`` is the act that helps most."""

    retry: str
    pause: str
    resume: str
    cancel: str
    primary: str


def allowed_acts(run: RunLine, clock: Clock) -> AllowedActs:
    """The acts that a run's state allows; a fork is always allowed."""
    over = f"Ended at {clock.when(run.ended_at)}" if run.status in ENDED else ""
    cancelling = "It is being cancelled" if run.status == "Cancelling" else ""
    return AllowedActs(
        retry=_no_retry(run.status),
        pause=over or cancelling or ("It is paused" if run.status == "Paused" else ""),
        resume="" if run.status == "Paused" else "It is not paused",
        cancel=over or cancelling,
        primary={"Failed": "retry", "Cancelled": "retry", "Paused": "resume"}.get(run.status, ""),
    )


def _no_retry(status: str) -> str:
    if status == "Completed":
        return "It has completed: fork it to run a part of it again"
    return "" if status in ENDED else "It has not ended"
