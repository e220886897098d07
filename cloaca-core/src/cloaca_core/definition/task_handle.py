"""``TaskHandle``: tells a task's body about its attempt."""

from __future__ import annotations

from typing import Protocol


class RunningAttempt(Protocol):
    """The attempt behind a handle; each property is read live, not from a copy."""

    @property
    def run_id(self) -> str:
        """The id of its run."""

    @property
    def task_id(self) -> str:
        """The short id of its task."""

    @property
    def number(self) -> int:
        """The number of the attempt, from 1."""

    @property
    def epoch(self) -> int:
        """The number of owners that the run has had."""

    @property
    def holds_slot(self) -> bool:
        """False while its body waits for another run."""

    @property
    def abandoned(self) -> bool:
        """True once the engine has given the attempt up."""

    @property
    def cancelled(self) -> bool:
        """True once its run is being cancelled."""


class TaskHandle:
    """Passed to a body whose second parameter is named ``handle`` or ``task_handle``.

    ``idempotency_key`` is the same for every attempt of this task in this run, and ``epoch``
    grows each time the run changes its owner: with them a body can keep other systems from acting
    twice on one request.
    """

    __slots__ = ("_attempt",)

    def __init__(self, attempt: RunningAttempt) -> None:
        self._attempt = attempt

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._attempt.run_id

    @property
    def task_id(self) -> str:
        """The short id of the task."""
        return self._attempt.task_id

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._attempt.number

    @property
    def epoch(self) -> int:
        """The number of owners that the run has had, this one included."""
        return self._attempt.epoch

    @property
    def idempotency_key(self) -> str:
        """``run_id:task_id``."""
        return f"{self.run_id}:{self.task_id}"

    @property
    def cancelled(self) -> bool:
        """True once the body should end: its run is being cancelled, or the engine gave it up.

        A body in a thread cannot be interrupted. One that runs for long asks now and then, cleans
        up and returns; each call into cloaca raises ``BodyCancelled`` then.
        """
        return self._attempt.cancelled or self._attempt.abandoned

    def is_slot_held(self) -> bool:
        """False while the body waits for another run, and after the engine gave it up."""
        return self._attempt.holds_slot and not self._attempt.abandoned

    def __repr__(self) -> str:
        return f"TaskHandle(run_id={self.run_id!r}, task_id={self.task_id!r})"
