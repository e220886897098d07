"""The rows of recorded definitions; forms as in ``runs``."""

from __future__ import annotations

from typing import NamedTuple


class DefinitionName(NamedTuple):
    """A version of a workflow, without its content.

    ``workflow`` is the full name; ``name`` the one that its builder was given, by which it can be
    found as well.
    """

    workflow: str
    version: str
    name: str


class DefinitionRow(NamedTuple):
    """A definition as a runner registered it: never changed, as its version is made of it.

    ``content`` is the JSON of ``definition.recorded``.
    """

    workflow: str
    version: str
    name: str
    content: str
    recorded_at: int
