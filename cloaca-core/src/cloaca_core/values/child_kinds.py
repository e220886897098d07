"""Kinds of child runs that end with a failure of their parent, and the calls in their keys.

A run that a body has submitted or executed has none of the kinds. The idempotency key of a child is
made of the run, the task and the call; see ``Attempt.keys_of``.
"""

import re
from typing import Final

RUN_WORKFLOW: Final = "run_workflow"
"""A body waits for it from the start."""
START_WORKFLOW: Final = "start_workflow"
"""A body may ask for its result later."""

_CALL: Final = re.compile(r"[0-9]+(-[0-9a-f]{16})?|k=.+", re.DOTALL)
_DIGITS: Final = 16


def call_with_key(key: str) -> str:
    """A call to which its body gives a key."""
    return f"k={key}"


def call_with_input(number: int, digest: str) -> str:
    """A call by its number in the attempt and the digest of the child's input."""
    return f"{number}-{digest[:_DIGITS]}"


def is_call(text: str) -> bool:
    """Whether a part of a key is a call of a body: the number of a submission, or one of these."""
    return _CALL.fullmatch(text) is not None
