"""The form that starts a run, filled in with the context and tags of another run. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cloaca_core.values.payloads.redaction import HIDDEN
from cloaca_tools.masking import masked

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.views.run.starts import RunStart

LONGEST: Final = 65_536
"""Characters of a context that a form shows."""


def start_texts(start: RunStart, redact: Redact, *, whole: bool) -> dict[str, str]:
    """The texts of the form: the context without secrets and the run that it is of, as ``like``;
    with ``whole`` the tags and the priority too. Tags that are hidden are left out, and so is a
    context that is too long, which ``long`` says.
    """
    shown = masked(start.context, redact)
    text = json.dumps(shown, indent=2, ensure_ascii=False) if start.context else ""
    found = {"like": start.run_id, "context": text}
    if len(text) > LONGEST:
        found = {"long": start.run_id}
    if not whole:
        return found
    tags = [f"{name}={each}" for name, each in masked(start.tags, redact).items()]
    open_ = [each for each in tags if HIDDEN not in each]
    return {**found, "tags": "\n".join(open_), "priority": str(start.priority or "")}
