"""A workflow of which a program knows the name only."""

from __future__ import annotations

from typing import NamedTuple


class Unregistered(NamedTuple):
    """A name under which no workflow is registered in this program; perhaps a runner has recorded
    one. ``refusal`` is the beginning of the error if there is none.
    """

    name: str
    refusal: str
