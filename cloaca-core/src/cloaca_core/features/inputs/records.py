"""The rows of declared inputs; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class FilledInput(NamedTuple):
    """The keys that a run has beside those of its input: ``content`` is a JSON object. They are the
    replacement number 0 of the run, which counts as a part of its input and not as a replacement.
    """

    run_id: str
    content: str
    created_at: int


FILLED_INPUTS: Final = Kind[FilledInput]("filled_inputs", lambda row: len(row.content))
