"""A wait as a body requests it."""

from __future__ import annotations

from typing import NamedTuple


class AskedWait(NamedTuple):
    """The wait is the ``number``-th of this kind and name in its attempt. It ends after
    ``seconds``, or at ``until``, an instant in µs, or (neither) only by a message. ``input_hash``
    is the hash of the task's input. ``may_suspend``: the body's own thread or task waits, so that
    the body can be unwound. ``detail`` is as in ``WaitRow``.
    """

    kind: str
    name: str
    number: int
    seconds: float | None
    until: int | None
    input_hash: str
    may_suspend: bool
    detail: str = "{}"
