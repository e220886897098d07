"""Announcements and steps, for the tests of wake-ups."""

from __future__ import annotations

from collections.abc import Callable

from every_statement import every_statement

from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_postgres.statements import WORDING
from cloaca_postgres.wakeups.announcements import Announcements
from cloaca_testing.conformance.rows import NOW


def announced(came_late: Callable[[], None] = lambda: None) -> Announcements:
    """The announcements of a schema, at one instant of its database."""
    return Announcements("s", lambda: NOW, came_late)


def named(name: str) -> Step:
    return Step(every_statement("cloaca_postgres", WORDING)[name])


def beat(lease_until: int, sharing: str | None = None) -> Step:
    parameters = ("lease_until", "sharing", "id")
    return Step(Statement("beat", "", parameters), (lease_until, sharing, "r1"))
