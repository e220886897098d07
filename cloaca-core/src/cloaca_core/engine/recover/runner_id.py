"""The name under which this runner owns runs: one for all parts of it, since it may change."""

from __future__ import annotations


class RunnerId:
    """``current`` changes only when the runner was declared dead: runs owned under the old id are
    then no longer its own.
    """

    __slots__ = ("current",)

    def __init__(self, current: str) -> None:
        self.current: str = current
