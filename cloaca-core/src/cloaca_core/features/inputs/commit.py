"""Writes the defaults that were filled into an input, with the batch that begins the run."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.inputs.records import FILLED_INPUTS, FilledInput
from cloaca_core.features.inputs.sql import InputQueries
from cloaca_core.store.sql.commit_part import Array, LastRows

if TYPE_CHECKING:
    from cloaca_core.store.sql.base import Queries


def input_commit(queries: Queries, _: Array) -> LastRows[FilledInput]:
    """The defaults of each run are written once."""
    fill = queries.of(InputQueries).fill_input
    return LastRows(FILLED_INPUTS, fill, FilledInput._fields, attrgetter("run_id"))
