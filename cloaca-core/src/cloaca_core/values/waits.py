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
