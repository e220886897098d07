"""Kinds of waits, as rows name them."""

from typing import Final

NEVER: Final = 2**62
"""``due_at`` of a run that waits for a message and for no instant."""


SLEEP: Final = "sleep"
"""``kind`` of a wait that ends at an instant."""


EVENT: Final = "event"
"""``kind`` of a wait for a message, and of messages that programs send."""


APPROVAL: Final = "approval"
"""``kind`` of a wait for a person's decision, and of the message that is the decision."""


RUN: Final = "run"
"""``kind`` of a wait for the end of a child run, and of the message that tells of this end."""


def end_name(run_id: str, round_: int) -> str:
    """The name of the end of a round of a child run: of the wait for it, and of its message."""
    return run_id if round_ == 1 else f"{run_id}:{round_}"


def round_of_end(name: str) -> int:
    """The round of the child run whose end has this name."""
    return int(name.partition(":")[2] or 1)


def run_of_end(name: str) -> str:
    """The child run of such a name."""
    return name.partition(":")[0]


def answered_text(kind: str, name: str | None) -> str:
    """An answered wait, in words."""
    come = "decided" if kind == APPROVAL else f"sent the event {name}"
    return f"is {come}, and a runner is to record that"
