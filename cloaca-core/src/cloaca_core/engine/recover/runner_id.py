"""The id under which this runner owns runs. All parts share one object, since the id may change."""

from __future__ import annotations


class RunnerId:
    """``current`` changes only when the runner was declared dead: the runner then no longer owns
    the runs of the old id.
    """

    __slots__ = ("current",)

    def __init__(self, current: str) -> None:
        self.current: str = current
