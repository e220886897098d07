"""Child runs: the contract of how their parents hear of their ends."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.waits.part import WaitStore


class ChildRunStore(WaitStore, Protocol):
    """Child runs with a ``child_kind``.

    Whatever ends such a run (``commit``, ``cancel``, ``expire``, ``release``, ``unregister``,
    ``take_over``) sends a message to its parent in the same transaction, once for each round of the
    child: of the kind ``run``, by the name ``values.waits.end_name``, with the JSON object
    ``{"round": …, "status": …}``. It has no number yet, and is no act. A commit sends those of the
    runs that ``TOLD_ENDS`` names, if they have ended. It inserts ``NODE_CHILDREN`` whose parents
    the runner owns and nobody cancels, and answers with those that it owns: a child has the owner
    that was given, unless its parent or its workflow is paused. A child with ``replacements`` is
    not inserted, either, if its parent is paused or has another number of replaced keys.
    ``OPENED_NODES`` whose children are in the table get the row of an attempt that waits, unless
    there is one, and the wait for the end of the child, unless their run ends in the same commit;
    the answer has them all. The child of a run that ends in the same commit is inserted all the
    same: if ``FAILED_PARENTS`` names the run, and it has failed, the child is cancelled with the
    others.
    """

    async def runs_above(self, run_id: str, most: int) -> int:
        """How many runs are above this one in its tree, each the parent of the next; ``most`` if
        there are more. Only reads.
        """
