"""The rows of recorded definitions; forms as in ``run.rows``."""

from typing import NamedTuple


class DefinitionName(NamedTuple):
    """A version of a workflow, without its content.

    ``workflow`` is the full name; ``name`` is the name given to its builder, by which it can be
    found as well. ``retention`` is for how long its runs are kept, in µs: -1 for ever, None as the
    runner says. It is no part of the version. Its runs begin in ``queue``.
    """

    workflow: str
    version: str
    name: str
    retention: int | None = None
    queue: str = "default"

    @classmethod
    def of(cls, row: "DefinitionRow") -> "DefinitionName":
        """The name of a definition."""
        return cls(row.workflow, row.version, row.name, row.retention, row.queue)


class DefinitionRow(NamedTuple):
    """A definition as a runner registered it. Its content is never changed, as its version is made
    of it: the JSON of ``definition.recorded``. ``retention`` and ``queue`` are kept for the newest
    version only. ``queues`` are all that it names, but for the usual one; they are noted apart.
    """

    workflow: str
    version: str
    name: str
    content: str
    recorded_at: int
    retention: int | None = None
    queue: str = "default"
    queues: tuple[str, ...] = ()


class WhenEndedRow(NamedTuple):
    """A run of ``submits`` follows each run of this version of a workflow that ends as ``status``.

    ``place`` counts the calls of ``when_ended`` from 0; one for several states is a row for each.
    ``content`` is the JSON object that the input begins with. It is never empty: the end of the run
    that is followed is put before its last brace.
    """

    workflow: str
    version: str
    place: int
    status: str
    submits: str
    content: str
