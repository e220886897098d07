"""The name under which this runner owns runs: one for all parts of it, since it may change."""

from __future__ import annotations


class RunnerId:
    """``current`` becomes another one when the runner was declared dead, and only then: what was
    written as the old one is not its own any more.
    """

    __slots__ = ("current",)

    def __init__(self, current: str) -> None:
        self.current: str = current
