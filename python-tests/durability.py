"""Findings beside those of the server's settings: tests may run on a server without fsync."""

from __future__ import annotations

from collections.abc import Iterable

from cloaca_core.features.transfer.examination import Finding


def beside_durability(found: Iterable[Finding]) -> list[Finding]:
    """The findings that are not about commits which a power cut may undo."""
    return [each for each in found if each.code != "commits_not_durable"]
