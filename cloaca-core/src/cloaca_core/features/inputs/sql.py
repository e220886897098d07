"""Declared inputs in SQL."""

from __future__ import annotations

from cloaca_core.store.sql.base import Statements
from cloaca_core.store.sql.queries import Statement


class InputQueries(Statements, file="inputs.sql"):
    """The statement on inputs."""

    fill_input: Statement
